// SPDX-License-Identifier: Apache-2.0
#include "common/search/search_space.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <set>

namespace lwq::search {
namespace {

constexpr double kMaxWhole = 0x1p53;     // up to here a double holds every whole number
constexpr double kGridTolerance = 1e-9;  // of a step, relative to the number of steps

std::string NumberText(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.15g", value);
  return text;
}

bool IsWhole(double value) {
  return std::abs(value) <= kMaxWhole && value == std::floor(value);
}

// How far `steps` may be from a whole number and still be meant as one: 0.1 is no binary fraction.
bool IsNearlyWhole(double steps) {
  return std::abs(steps - std::round(steps)) <= kGridTolerance * std::max(1.0, std::abs(steps));
}

Status Wrong(const SearchParameter& parameter, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(parameter.name, ": ", why));
}

Status CheckChoices(const SearchParameter& parameter) {
  if (parameter.low != 0 || parameter.high != 0 || parameter.log || parameter.step.has_value()) {
    return Wrong(parameter, "a list of choices has no low, high, log or step; leave them out");
  }
  if (parameter.choices.size() < 2) {
    return Wrong(parameter, absl::StrCat("has ", parameter.choices.size(),
                                         " choices, and a search needs at least 2; set a fixed value in the base run"));
  }
  if (parameter.choices.size() > kMaxChoices) {
    return Wrong(parameter, absl::StrCat("has ", parameter.choices.size(), " choices; at most ", kMaxChoices));
  }
  std::set<std::string> seen;
  for (const std::string& choice : parameter.choices) {
    if (!seen.insert(choice).second) return Wrong(parameter, absl::StrCat("the choice '", choice, "' stands twice"));
  }
  return absl::OkStatus();
}

Status CheckStep(const SearchParameter& parameter) {
  if (!parameter.step.has_value()) return absl::OkStatus();
  const double step = *parameter.step;
  if (!std::isfinite(step) || step <= 0) {
    return Wrong(parameter, absl::StrCat("step ", NumberText(step), " is not a positive number"));
  }
  if (parameter.log) return Wrong(parameter, "step and log cannot stand together; leave one out");
  if (parameter.kind == ParameterKind::kInt && !IsWhole(step)) {
    return Wrong(parameter, absl::StrCat("step ", NumberText(step), " of an int is not whole"));
  }
  const double steps = (parameter.high - parameter.low) / step;
  if (steps > kMaxWhole)
    return Wrong(parameter, absl::StrCat("step ", NumberText(step), " is too small for the range"));
  if (!IsNearlyWhole(steps) || std::round(steps) < 1) {
    return Wrong(parameter,
                 absl::StrCat("step ", NumberText(step), " does not divide the range from ", NumberText(parameter.low),
                              " to ", NumberText(parameter.high), "; the nearest end it reaches is ",
                              NumberText(parameter.low + std::max(1.0, std::round(steps)) * step)));
  }
  return absl::OkStatus();
}

Status CheckRange(const SearchParameter& parameter) {
  if (!parameter.choices.empty()) return Wrong(parameter, "a range has no choices; leave them out");
  if (!std::isfinite(parameter.low) || !std::isfinite(parameter.high)) {
    return Wrong(parameter, absl::StrCat("low ", NumberText(parameter.low), " and high ", NumberText(parameter.high),
                                         " must be finite numbers"));
  }
  if (parameter.low >= parameter.high) {
    return Wrong(parameter,
                 absl::StrCat("low ", NumberText(parameter.low), " is not below high ", NumberText(parameter.high)));
  }
  if (!std::isfinite(parameter.high - parameter.low)) return Wrong(parameter, "the range is too wide for a float");
  if (parameter.kind == ParameterKind::kInt && (!IsWhole(parameter.low) || !IsWhole(parameter.high))) {
    return Wrong(parameter, absl::StrCat("low ", NumberText(parameter.low), " and high ", NumberText(parameter.high),
                                         " of an int must be whole and within 2^53"));
  }
  if (parameter.log && parameter.low <= 0) {
    return Wrong(parameter, absl::StrCat("log needs a positive low, not ", NumberText(parameter.low)));
  }
  return CheckStep(parameter);
}

// Rounded to 15 digits, and the ends as they were given.
double GridValue(const SearchParameter& parameter, double index, double step) {
  if (index <= 0) return parameter.low;
  const double exact = parameter.low + index * step;
  if (exact >= parameter.high - step / 2) return parameter.high;
  return parameter.kind == ParameterKind::kInt ? exact : std::strtod(NumberText(exact).c_str(), nullptr);
}

ParameterValue Number(const SearchParameter& parameter, double value) {
  value = std::clamp(value, parameter.low, parameter.high);
  if (parameter.kind == ParameterKind::kInt) return static_cast<int64_t>(value);
  return value;
}

// Ends of the range in which the unit interval is spread evenly.
struct Spread {
  double low;
  double high;
};

Spread SpreadOf(const SearchParameter& parameter) {
  const double half = GridStep(parameter).value_or(0) / 2;
  Spread spread{parameter.low - half, parameter.high + half};
  if (parameter.log) spread = {std::log(spread.low), std::log(spread.high)};
  return spread;
}

// 10 to this power is the largest that is not above a positive number; by its decimal digits, which no logarithm
// rounds.
int ExponentOf(double number) {
  char text[32];
  const auto end = std::to_chars(std::begin(text), std::end(text), number, std::chars_format::scientific).ptr;
  int exponent = 0;
  const char* digits = std::find(std::begin(text), end, 'e') + 1;
  std::from_chars(*digits == '+' ? digits + 1 : digits, end, exponent);
  return exponent;
}

// To so many digits after the decimal point.
double Rounded(double number, int decimals) {
  char text[400];
  const auto end = std::to_chars(std::begin(text), std::end(text), number, std::chars_format::fixed, decimals).ptr;
  double rounded = number;
  std::from_chars(std::begin(text), end, rounded);
  return rounded;
}

}  // namespace

Status CheckSearchSpace(const SearchSpace& space) {
  if (space.empty()) return absl::InvalidArgumentError("the search has no parameters; give at least one range or list");
  if (space.size() > kMaxParameters) {
    return absl::InvalidArgumentError(
        absl::StrCat("the search has ", space.size(), " parameters; at most ", kMaxParameters));
  }
  std::set<std::string> names;
  for (size_t i = 0; i < space.size(); ++i) {
    const SearchParameter& parameter = space[i];
    if (parameter.name.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("parameter ", i, " of the search has no name"));
    }
    if (!names.insert(parameter.name).second) return Wrong(parameter, "stands twice in the search");
    LWQ_RETURN_IF_ERROR(parameter.kind == ParameterKind::kCategorical ? CheckChoices(parameter)
                                                                      : CheckRange(parameter));
  }
  return absl::OkStatus();
}

Status CheckValue(const SearchParameter& parameter, const ParameterValue& value) {
  if (parameter.kind == ParameterKind::kCategorical) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return Wrong(parameter, "takes one of its choices, not a number");
    if (std::find(parameter.choices.begin(), parameter.choices.end(), *text) == parameter.choices.end()) {
      return Wrong(parameter, absl::StrCat("'", *text, "' is none of its choices"));
    }
    return absl::OkStatus();
  }
  const bool fits = parameter.kind == ParameterKind::kInt ? std::holds_alternative<int64_t>(value)
                                                          : std::holds_alternative<double>(value);
  if (!fits) {
    return Wrong(parameter, parameter.kind == ParameterKind::kInt ? "takes a whole number" : "takes a float");
  }
  const double number = CoordinateOf(parameter, value);
  if (!(number >= parameter.low && number <= parameter.high)) {
    return Wrong(parameter, absl::StrCat(NumberText(number), " is not between ", NumberText(parameter.low), " and ",
                                         NumberText(parameter.high)));
  }
  const std::optional<double> step = GridStep(parameter);
  if (step.has_value() && !IsNearlyWhole((number - parameter.low) / *step)) {
    return Wrong(parameter, absl::StrCat(NumberText(number), " is not ", NumberText(parameter.low),
                                         " plus a multiple of ", NumberText(*step)));
  }
  return absl::OkStatus();
}

std::optional<double> GridStep(const SearchParameter& parameter) {
  if (parameter.step.has_value()) return parameter.step;
  if (parameter.kind == ParameterKind::kInt) return 1;
  return std::nullopt;
}

std::optional<int64_t> CountValues(const SearchParameter& parameter) {
  if (parameter.kind == ParameterKind::kCategorical) return static_cast<int64_t>(parameter.choices.size());
  const std::optional<double> step = GridStep(parameter);
  if (!step.has_value()) return std::nullopt;
  return static_cast<int64_t>(std::round((parameter.high - parameter.low) / *step)) + 1;
}

ParameterValue ValueAt(const SearchParameter& parameter, double unit) {
  LWQ_CHECK(unit >= 0 && unit < 1, parameter.name, ": ", unit, " is outside [0, 1)");
  if (parameter.kind == ParameterKind::kCategorical) {
    const size_t count = parameter.choices.size();
    return parameter.choices[std::min(count - 1, static_cast<size_t>(unit * static_cast<double>(count)))];
  }
  const Spread spread = SpreadOf(parameter);
  const double place = spread.low + unit * (spread.high - spread.low);
  return ValueNearest(parameter, parameter.log ? std::exp(place) : place);
}

ParameterValue Shortened(const SearchParameter& parameter, const ParameterValue& value) {
  const auto* number = std::get_if<double>(&value);
  if (number == nullptr || GridStep(parameter).has_value()) return value;
  constexpr int kDigits = 3;  // after the first digit of what is told apart
  const double width = parameter.high - parameter.low;
  const int decimals = kDigits - ExponentOf(parameter.log ? std::min(*number, width) : width);
  return std::clamp(Rounded(*number, std::max(0, decimals)), parameter.low, parameter.high);
}

double UnitOf(const SearchParameter& parameter, const ParameterValue& value) {
  const double number = CoordinateOf(parameter, value);
  if (parameter.kind == ParameterKind::kCategorical) {
    return (number + 0.5) / static_cast<double>(parameter.choices.size());
  }
  const Spread spread = SpreadOf(parameter);
  double place = parameter.log ? std::log(number) : number;
  if (parameter.log && parameter.kind == ParameterKind::kInt) {
    place = (std::log(number - 0.5) + std::log(number + 0.5)) / 2;
  }
  constexpr double kBelowOne = 1 - 0x1p-53;
  return std::clamp((place - spread.low) / (spread.high - spread.low), 0.0, kBelowOne);
}

double CoordinateOf(const SearchParameter& parameter, const ParameterValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value)) return static_cast<double>(*number);
  const auto found = std::find(parameter.choices.begin(), parameter.choices.end(), std::get<std::string>(value));
  LWQ_CHECK(found != parameter.choices.end(), parameter.name, ": '", std::get<std::string>(value), "' is no choice");
  return static_cast<double>(found - parameter.choices.begin());
}

ParameterValue ValueNearest(const SearchParameter& parameter, double coordinate) {
  if (parameter.kind == ParameterKind::kCategorical) {
    const double last = static_cast<double>(parameter.choices.size() - 1);
    return parameter.choices[static_cast<size_t>(std::clamp(std::round(coordinate), 0.0, last))];
  }
  const std::optional<double> step = GridStep(parameter);
  if (!step.has_value()) return Number(parameter, coordinate);
  return Number(parameter, GridValue(parameter, std::round((coordinate - parameter.low) / *step), *step));
}

}  // namespace lwq::search
