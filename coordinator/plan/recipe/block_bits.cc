// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/block_bits.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "coordinator/plan/policy/mixed_precision.h"

namespace lwq::coordinator {
namespace {

// What block_bits is where no block has bits of its own.
constexpr std::string_view kNoBlock = "none";

}  // namespace

StatusOr<std::map<int64_t, int>> ParseBlockBits(const std::string& text) {
  std::map<int64_t, int> bits_of;
  if (text == kNoBlock) return bits_of;
  for (const auto& part : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> entry = absl::StrSplit(part, absl::MaxSplits(':', 1));
    int64_t layer = 0;
    int bits = 0;
    if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(entry.first), &layer) || layer < 0 ||
        !absl::SimpleAtoi(absl::StripAsciiWhitespace(entry.second), &bits)) {
      return absl::InvalidArgumentError(absl::StrCat("block_bits has '",
                                                     absl::CHexEscape(std::string(part.substr(0, 40))),
                                                     "': give LAYER:BITS, several separated by commas, as 0:4,11:3"));
    }
    if (std::find(std::begin(kWidths), std::end(kWidths), bits) == std::end(kWidths)) {
      return absl::InvalidArgumentError(
          absl::StrCat("block_bits has ", bits, " for block ", layer, ", can have ", absl::StrJoin(kWidths, ", ")));
    }
    if (!bits_of.emplace(layer, bits).second) {
      return absl::InvalidArgumentError(absl::StrCat("block_bits has block ", layer, " twice"));
    }
  }
  return bits_of;
}

}  // namespace lwq::coordinator
