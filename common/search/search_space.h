// SPDX-License-Identifier: Apache-2.0
// What a search may try: named parameters, each a range or a list, and how a point of the unit cube becomes their
// values.
//
// A float range holds every float between its ends, or with a step the grid low, low + step, …, high; an int range the
// whole numbers of its grid, whose step is 1 where none is given; a categorical parameter its choices, which are texts.
// Both ends belong to a range. With `log` values are spread evenly over their logarithms.
//
// Pure; thread-safety: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/status/status.h"

namespace lwq::search {

enum class ParameterKind { kFloat, kInt, kCategorical };

struct SearchParameter {
  std::string name;
  ParameterKind kind = ParameterKind::kFloat;
  double low = 0;   // of numbers; whole for kInt
  double high = 0;  // of numbers; whole for kInt
  bool log = false;
  std::optional<double> step;        // whole for kInt; absent where log
  std::vector<std::string> choices;  // of kCategorical
};

using SearchSpace = std::vector<SearchParameter>;

// double for kFloat, int64_t for kInt, the choice's text for kCategorical.
using ParameterValue = std::variant<double, int64_t, std::string>;

inline constexpr size_t kMaxParameters = 1000;
inline constexpr size_t kMaxChoices = 1000;

// INVALID_ARGUMENT, one line that begins with the parameter's name, for what cannot be searched: no parameter or too
// many, a name that is empty or given twice, ends that are not finite or not in order, a logarithm of what is not
// positive, a step that is not positive, does not divide the range or stands beside log, an int's ends or step that are
// not whole or beyond ±2^53, too few, too many or equal choices, fields of the other kind.
Status CheckSearchSpace(const SearchSpace& space);

// INVALID_ARGUMENT where the value is of another kind, outside the range or beside its grid. Requires a checked
// parameter (so do all functions below).
Status CheckValue(const SearchParameter& parameter, const ParameterValue& value);

// How many values the parameter can take; absent where every float of a range is one.
std::optional<int64_t> CountValues(const SearchParameter& parameter);

// The value at `unit` in [0, 1). Equal parts of the unit interval go to equal parts of a range (of its logarithms with
// log) and to each value of a grid or list; with log, a whole number k has the part between log(k − ½) and log(k + ½).
// Values of a grid are rounded to 15 decimal digits, so that 0.1 + 2·0.1 is 0.3.
ParameterValue ValueAt(const SearchParameter& parameter, double unit);

// The middle of the part of [0, 1) that becomes `value`, or the place of a float that is not on a grid.
double UnitOf(const SearchParameter& parameter, const ParameterValue& value);

// The value with no more digits than tell about a thousand values of the range apart (with log: of each decade), within
// the range: what people read is exactly what is tried, and rounding hides what C libraries make of exp and log. Values
// of grids and choices are themselves.
ParameterValue Shortened(const SearchParameter& parameter, const ParameterValue& value);

// A value as a number: itself, or the index of its choice. And the value nearest to a number.
double CoordinateOf(const SearchParameter& parameter, const ParameterValue& value);
ParameterValue ValueNearest(const SearchParameter& parameter, double coordinate);

// The distance of neighbours on the parameter's grid: its step, 1 for whole numbers without one, absent for floats
// without one.
std::optional<double> GridStep(const SearchParameter& parameter);

}  // namespace lwq::search
