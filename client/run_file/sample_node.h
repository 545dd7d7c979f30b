// SPDX-License-Identifier: Apache-2.0
// The part `sample` of a node of a sweep file: so many points of a space of keys, drawn evenly.
//
//   sample: {count: 16, seed: 1, from: {quant_lr: {low: 1e-5, high: 1e-3, log: true}, epochs: {low: 1, high: 4}}}
//
// Point i depends on the seed alone: a larger count keeps the points that were there. Pure. Errors: INVALID_ARGUMENT,
// one line "file:line:column: what; what to do".
#pragma once

#include <string_view>

#include "client/run_file/search_axis.h"
#include "client/run_file/yaml_tree.h"
#include "common/status/status.h"
#include "common/sweep/axes.h"

namespace lwq::client {

StatusOr<AxisNode> ReadSampleNode(std::string_view what, const YamlEntry& entry, const KeyReader& read_key,
                                  const ValueReader& read_value);

}  // namespace lwq::client
