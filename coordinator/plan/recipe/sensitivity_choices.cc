// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/sensitivity_choices.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "coordinator/plan/policy/mixed_precision.h"
#include "coordinator/plan/recipe/policies.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMaxChoices = 64;

StatusOr<std::vector<int64_t>> ParseNumbers(std::string_view field, const std::string& text) {
  std::vector<int64_t> numbers;
  for (const auto& part : absl::StrSplit(text, ',')) {
    const auto trimmed = absl::StripAsciiWhitespace(part);
    int64_t number = 0;
    if (!absl::SimpleAtoi(trimmed, &number)) {
      return absl::InvalidArgumentError(absl::StrCat(field, " has '",
                                                     absl::CHexEscape(std::string(trimmed).substr(0, 40)),
                                                     "': give numbers separated by commas"));
    }
    if (std::find(numbers.begin(), numbers.end(), number) != numbers.end()) {
      return absl::InvalidArgumentError(absl::StrCat(field, " has ", number, " twice"));
    }
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

bool IsTableMetric(SensitivityMetric metric) {
  return metric == SensitivityMetric::kLossDelta || metric == SensitivityMetric::kOutputFisher ||
         metric == SensitivityMetric::kPilot;
}

bool CutsIntoGroups(const Recipe& recipe) {
  return Quantizes(recipe) || (recipe.method == Method::kSensitivity && IsTableMetric(recipe.sensitivity_metric));
}

StatusOr<std::vector<QuantChoice>> SensitivityChoices(const Recipe& recipe) {
  LWQ_ASSIGN_OR_RETURN(std::vector<int64_t> widths, ParseNumbers("sensitivity_bits", recipe.sensitivity_bits));
  LWQ_ASSIGN_OR_RETURN(const std::vector<int64_t> groups,
                       ParseNumbers("sensitivity_group_sizes", recipe.sensitivity_group_sizes));
  std::sort(widths.begin(), widths.end());
  std::vector<QuantChoice> choices;
  for (const int64_t bits : widths) {
    if (std::find(std::begin(kWidths), std::end(kWidths), bits) == std::end(kWidths)) {
      return absl::InvalidArgumentError(
          absl::StrCat("sensitivity_bits has ", bits, ", can have ", absl::StrJoin(kWidths, ", ")));
    }
    for (const int64_t group : groups) {
      if (group != -1 && group < 1) {
        return absl::InvalidArgumentError(
            absl::StrCat("sensitivity_group_sizes has ", group, ", must be -1 (a whole row) or at least 1"));
      }
      choices.push_back({static_cast<int>(bits), group});
    }
  }
  const QuantChoice uniform{recipe.wbits, recipe.group_size};
  if (std::find(choices.begin(), choices.end(), uniform) == choices.end()) choices.push_back(uniform);
  if (choices.size() > kMaxChoices) {
    return absl::InvalidArgumentError(absl::StrCat("sensitivity_bits and sensitivity_group_sizes give ", choices.size(),
                                                   " choices, at most ", kMaxChoices, " can be measured"));
  }
  return choices;
}

}  // namespace lwq::coordinator
