// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/sample_node.h"

#include <limits>

#include "client/run_file/run_entry.h"
#include "client/run_file/suggestion.h"

namespace lwq::client {

StatusOr<AxisNode> ReadSampleNode(std::string_view what, const YamlEntry& entry, const KeyReader& read_key,
                                  const ValueReader& read_value) {
  if (entry.value->kind != YamlNode::Kind::kMap) {
    return ExpectedAt(what, entry, "a mapping of count, seed and from");
  }
  LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what, *entry.value));
  int64_t count = 0;
  int64_t seed = 0;
  std::vector<SearchAxis> axes;
  for (const YamlEntry& one : entries) {
    if (one.key->text == "count") {
      LWQ_ASSIGN_OR_RETURN(count, ReadWhole(what, one, 1, kMaxCombinations));
    } else if (one.key->text == "seed") {
      LWQ_ASSIGN_OR_RETURN(seed, ReadWhole(what, one, 0, std::numeric_limits<int64_t>::max()));
    } else if (one.key->text == "from") {
      LWQ_ASSIGN_OR_RETURN(axes, ReadSearchAxes(what, one, read_key, read_value));
    } else {
      const std::string nearest = NearestName(one.key->text, {"count", "seed", "from"});
      return InvalidAt(what, *one.key,
                       absl::StrCat("sample: unknown key ", DescribeNode(*one.key), "; ",
                                    nearest.empty() ? "it has count, seed and, for the keys and their ranges, from"
                                                    : absl::StrCat("did you mean ", nearest, "?")));
    }
  }
  if (axes.empty()) return InvalidAt(what, *entry.key, "sample: has no from; give it keys with ranges");
  if (count == 0) return InvalidAt(what, *entry.key, "sample: has no count; say how many points are drawn");
  AxisNode sample = SampleOf(axes, count, static_cast<uint64_t>(seed));
  sample.where = PlaceOf(what, *entry.key);
  return sample;
}

}  // namespace lwq::client
