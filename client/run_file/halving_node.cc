// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/halving_node.h"

#include "client/run_file/run_entry.h"
#include "client/run_file/suggestion.h"

namespace lwq::client {
namespace {

constexpr int64_t kMostBlocks = 1'000'000;

bool IsHalvingMetric(std::string_view word) {
  return word == "block_loss" || word == "perplexity";
}

// A word that `is_one` is true of.
StatusOr<std::string> ReadWord(std::string_view what, const YamlEntry& entry, bool (*is_one)(std::string_view),
                               std::string_view words) {
  if (entry.value->kind == YamlNode::Kind::kScalar && is_one(entry.value->text)) return entry.value->text;
  return ExpectedAt(what, entry, words);
}

Status UnknownKey(std::string_view what, const YamlNode& key, bool takes_metric) {
  std::vector<std::string> keys = {"min_blocks", "eta", "order"};
  if (takes_metric) keys.insert(keys.begin(), "metric");
  return InvalidAt(what, key,
                   UnknownNameMessage(absl::StrCat("key ", DescribeNode(key)), {"", NearestName(key.text, keys)}, "",
                                      absl::StrCat("the keys of halving are ", takes_metric ? "metric, " : "",
                                                   "min_blocks, eta and order")));
}

}  // namespace

bool IsHalvingOrder(std::string_view word) {
  return word == "synchronous" || word == "asynchronous";
}

Status ReadHalvingNode(std::string_view what, const YamlNode& map, bool takes_metric, lwqat::v1::Halving* halving) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what, map));
  for (const YamlEntry& one : entries) {
    const std::string& key = one.key->text;
    if (key == "min_blocks") {
      LWQ_ASSIGN_OR_RETURN(const int64_t blocks, ReadWhole(what, one, 1, kMostBlocks));
      halving->set_min_blocks(blocks);
    } else if (key == "eta") {
      LWQ_ASSIGN_OR_RETURN(const int64_t eta, ReadWhole(what, one, 2, kMostBlocks));
      halving->set_eta(eta);
    } else if (key == "order") {
      LWQ_ASSIGN_OR_RETURN(*halving->mutable_order(),
                           ReadWord(what, one, IsHalvingOrder, "synchronous or asynchronous"));
    } else if (key == "metric" && takes_metric) {
      LWQ_ASSIGN_OR_RETURN(*halving->mutable_metric(),
                           ReadWord(what, one, IsHalvingMetric, "block_loss or perplexity"));
    } else if (key == "metric") {
      return InvalidAt(what, *one.key, "halving: metric stands beside halving; trials without it are compared, too");
    } else {
      return UnknownKey(what, *one.key, takes_metric);
    }
  }
  return absl::OkStatus();
}

}  // namespace lwq::client
