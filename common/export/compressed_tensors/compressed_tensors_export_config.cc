// SPDX-License-Identifier: Apache-2.0
#include "common/export/compressed_tensors/compressed_tensors_export_config.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/model/llama_config.h"
#include "common/model/module_rules.h"

namespace lwq::qat {
namespace {

// Bits and group size, as a config group has them. −1: one scale a row.
using Scheme = std::pair<int, int64_t>;

// Schemes of linears whose groups are parts of a row.
std::set<Scheme> GroupedSchemes(const std::vector<BlockFormat>& blocks) {
  std::set<Scheme> grouped;
  for (const BlockFormat& block : blocks) {
    for (const auto& [kind, linear] : block.linears) {
      if (linear.group_size != linear.in_features) grouped.emplace(linear.bits, linear.group_size);
    }
  }
  return grouped;
}

// A linear whose group is its whole row may be written either way: as the others where they have that size.
Scheme SchemeOf(const LinearFormat& linear, const std::set<Scheme>& grouped) {
  const Scheme scheme = {linear.bits, linear.group_size};
  if (linear.group_size != linear.in_features || grouped.contains(scheme)) return scheme;
  return {linear.bits, -1};
}

// Blocks all of whose linears have the scheme, and single linears of the others.
struct Members {
  std::vector<size_t> blocks;
  std::vector<std::string> patterns;
};

struct Schemes {
  std::set<Scheme> grouped;
  std::map<Scheme, Members> members;
  std::vector<std::string> ignored;
};

void AddBlock(size_t index, const BlockFormat& block, Schemes& schemes) {
  std::map<Scheme, std::vector<std::string>> of_block;
  for (const auto& [kind, linear] : block.linears) {
    if (linear.quantized()) {
      of_block[SchemeOf(linear, schemes.grouped)].push_back(EscapedPattern(LinearName(kind)));
    } else {
      schemes.ignored.push_back(absl::StrCat(BlockPrefix(static_cast<int64_t>(index)), LinearName(kind)));
    }
  }
  for (const auto& [scheme, names] : of_block) {
    Members& members = schemes.members[scheme];
    if (of_block.size() == 1) {
      members.blocks.push_back(index);
    } else {
      members.patterns.push_back(absl::StrCat("re:.*layers\\.", index, "\\.(", absl::StrJoin(names, "|"), ")$"));
    }
  }
}

Json Weights(const Scheme& scheme, ZeroPoints zero_points) {
  const bool symmetric = zero_points == ZeroPoints::kSymmetric;
  Json weights = {{"num_bits", scheme.first}, {"type", "int"}, {"symmetric", symmetric}, {"dynamic", false}};
  weights["strategy"] = scheme.second == -1 ? "channel" : "group";
  if (scheme.second != -1) weights["group_size"] = scheme.second;
  return weights;
}

}  // namespace

StatusOr<Json> MakeCompressedTensorsConfig(const std::vector<BlockFormat>& blocks, ZeroPoints zero_points) {
  Schemes schemes{.grouped = GroupedSchemes(blocks), .members = {}, .ignored = {}};
  for (size_t k = 0; k < blocks.size(); ++k) AddBlock(k, blocks[k], schemes);
  if (schemes.members.empty()) {
    return absl::InvalidArgumentError("no linear of the model is quantized: nothing to export as compressed_tensors");
  }
  Json groups = Json::object();
  for (const auto& [scheme, members] : schemes.members) {
    Json targets = members.patterns;
    if (schemes.members.size() == 1) {
      targets = Json::array({"Linear"});
    } else if (!members.blocks.empty()) {
      targets.push_back(absl::StrCat("re:.*layers\\.(", absl::StrJoin(members.blocks, "|"), ")\\..*_proj$"));
    }
    groups[absl::StrCat("group_", groups.size())] = {{"targets", std::move(targets)},
                                                     {"weights", Weights(scheme, zero_points)},
                                                     {"input_activations", nullptr},
                                                     {"output_activations", nullptr},
                                                     {"format", "pack-quantized"}};
  }
  Json ignored = std::move(schemes.ignored);
  ignored.push_back("lm_head");
  return Json{{"quant_method", "compressed-tensors"}, {"quantization_status", "compressed"},
              {"format", "pack-quantized"},           {"config_groups", std::move(groups)},
              {"ignore", std::move(ignored)},         {"kv_cache_scheme", nullptr}};
}

}  // namespace lwq::qat
