// SPDX-License-Identifier: Apache-2.0
// What a sample of a sweep, or a search, may try of one key: a range of numbers or a list of values, as files and flags
// say it.
//
//   quant_lr: {low: 1e-5, high: 1e-3, log: true}   log, step (of the grid low, low + step, …) and int may be left out
//   epochs: {low: 1, high: 4, int: true}           whole numbers; of keys that take integers every range is
//   handoff: {choice: [sequential, independent]}   or the list alone
//
// Values are what a run file with the printed text gives, so that equal files give equal runs for ever. Ranges are held
// against common/recipe's table. Pure. Errors: INVALID_ARGUMENT, one line "file:line:column: what; what to do".
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "client/run_file/run_fields.h"
#include "client/run_file/yaml_tree.h"
#include "common/search/search_space.h"
#include "common/status/status.h"
#include "common/sweep/axes.h"

namespace lwq::client {

struct SearchAxis {
  const RunField* field = nullptr;
  std::string where;                  // for messages
  search::SearchParameter parameter;  // named as the key; its choices are the values as canonical JSON
  std::vector<AxisValue> choices;     // of a list, in the order of the parameter's
};

// Reads one value of a key as the file at hand does; `key` is for messages where the value is nothing.
using ValueReader =
    std::function<StatusOr<AxisValue>(const RunField& field, const YamlNode& key, const YamlNode& value)>;

// "key: range or list" of the file that `what` names.
StatusOr<SearchAxis> ReadSearchAxis(std::string_view what, const RunField& field, const YamlEntry& entry,
                                    const ValueReader& read_value);

// The field of a key that may be varied; refuses others.
using KeyReader = std::function<StatusOr<const RunField*>(const YamlNode& key)>;

// A mapping of such entries; one of them at least.
StatusOr<std::vector<SearchAxis>> ReadSearchAxes(std::string_view what, const YamlEntry& entry,
                                                 const KeyReader& read_key, const ValueReader& read_value);

// "KEY=LOW..HIGH", with ":log", ":int" and ":step=STEP" after it, or "KEY=VALUE,VALUE,…".
StatusOr<SearchAxis> ParseSearchAxis(std::string_view text);

// The value of the axis's parameter as the run has it.
AxisValue ValueOfAxis(const SearchAxis& axis, const search::ParameterValue& value);

search::SearchSpace SpaceOf(const std::vector<SearchAxis>& axes);

// The first `count` points of the seeded sequence (common/search/low_discrepancy.h), as axes that vary together.
// Requires axes of different keys, and fewer than 2^32 points.
AxisNode SampleOf(const std::vector<SearchAxis>& axes, int64_t count, uint64_t seed);

}  // namespace lwq::client
