// SPDX-License-Identifier: Apache-2.0
#include "common/export/gptq/gptq_export_config.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/export_format/gptq.h"
#include "common/model/module_rules.h"

namespace lwq::qat {
namespace {

// (bits, group size as the config writes it). A linear whose group is its whole row may be written either way.
using Width = std::pair<int, int64_t>;

std::vector<Width> WidthsOf(const LinearFormat& linear) {
  std::vector<Width> widths = {{linear.bits, linear.group_size}};
  if (linear.group_size == linear.in_features) widths.emplace_back(linear.bits, -1);
  return widths;
}

bool CanBe(const LinearFormat& linear, const Width& width) {
  const std::vector<Width> widths = WidthsOf(linear);
  return linear.quantized() && std::find(widths.begin(), widths.end(), width) != widths.end();
}

// The width that covers most weights; of equals the fewest bits, and a number before -1.
std::optional<Width> BaseWidth(const std::vector<BlockFormat>& blocks) {
  std::map<Width, int64_t> weights;
  for (const BlockFormat& block : blocks) {
    for (const auto& [kind, linear] : block.linears) {
      if (!linear.quantized()) continue;
      for (const Width& width : WidthsOf(linear)) weights[width] += linear.out_features * linear.in_features;
    }
  }
  std::optional<Width> best;
  const auto rank = [&weights](const Width& width) {
    return std::tuple(-weights.at(width), width.first, width.second < 0, width.second);
  };
  for (const auto& [width, count] : weights) {
    if (!best.has_value() || rank(width) < rank(*best)) best = width;
  }
  return best;
}

// The one width that all quantized linears of the block can be written in, if all are quantized and there is one.
std::optional<Width> CommonWidth(const BlockFormat& block) {
  for (const Width& width : WidthsOf(block.linears.begin()->second)) {
    if (std::all_of(block.linears.begin(), block.linears.end(),
                    [&width](const auto& entry) { return CanBe(entry.second, width); })) {
      return width;
    }
  }
  return std::nullopt;
}

Json Override(const Width& width) {
  return {{"bits", width.first}, {"group_size", width.second}};
}

// Rules for the linears of one block that share no width, grouped by what they are.
void AddLinearRules(size_t index, const BlockFormat& block, const Width& base, Json& dynamic) {
  std::map<Width, std::vector<std::string>> overridden;
  std::vector<std::string> excluded;
  for (const auto& [kind, linear] : block.linears) {
    if (!linear.quantized()) {
      excluded.push_back(EscapedPattern(LinearName(kind)));
    } else if (!CanBe(linear, base)) {
      overridden[{linear.bits, linear.group_size}].push_back(EscapedPattern(LinearName(kind)));
    }
  }
  const auto pattern = [index](const std::vector<std::string>& names) {
    return absl::StrCat("^model\\.layers\\.", index, "\\.(", absl::StrJoin(names, "|"), ")$");
  };
  for (const auto& [width, names] : overridden) dynamic[absl::StrCat("+:", pattern(names))] = Override(width);
  if (!excluded.empty()) dynamic[absl::StrCat("-:", pattern(excluded))] = Json::object();
}

}  // namespace

StatusOr<Json> MakeGptqConfig(const std::vector<BlockFormat>& blocks, ZeroPoints zero_points, ExportFormat format) {
  const std::optional<Width> base = BaseWidth(blocks);
  if (!base.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no linear of the model is quantized: nothing to export as ", WordOf(format)));
  }
  std::map<Width, std::vector<size_t>> whole_blocks;
  Json dynamic = Json::object();
  for (size_t k = 0; k < blocks.size(); ++k) {
    const auto& linears = blocks[k].linears;
    if (std::all_of(linears.begin(), linears.end(), [&](const auto& entry) { return CanBe(entry.second, *base); }))
      continue;
    if (const std::optional<Width> common = CommonWidth(blocks[k])) {
      whole_blocks[*common].push_back(k);
    } else {
      AddLinearRules(k, blocks[k], *base, dynamic);
    }
  }
  for (const auto& [width, indices] : whole_blocks) {
    dynamic[absl::StrCat("+:^model\\.layers\\.(", absl::StrJoin(indices, "|"), ")\\..*")] = Override(width);
  }
  Json config = {{"bits", base->first},      {"group_size", base->second},
                 {"desc_act", false},        {"sym", zero_points == ZeroPoints::kSymmetric},
                 {"lm_head", false},         {"quant_method", "gptq"},
                 {"method", "gptq"},         {"checkpoint_format", WordOf(format)},
                 {"format", WordOf(format)}, {"pack_dtype", "int32"}};
  if (StoredZerosOf(format) == StoredZeros::kAsTheyAre) {
    config["meta"] = {{"quantizer", Json::array({absl::StrCat("lwq:", LWQ_VERSION)})}};
  }
  if (!dynamic.empty()) config["dynamic"] = std::move(dynamic);
  return config;
}

}  // namespace lwq::qat
