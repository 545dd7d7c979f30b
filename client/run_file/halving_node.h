// SPDX-License-Identifier: Apache-2.0
// The part `halving` of a file of a sweep or a search: {metric: block_loss, min_blocks: 1, eta: 3, order: synchronous}.
//
// Pure. Errors: INVALID_ARGUMENT, one line "file:line:column: what; what to do".
#pragma once

#include <string_view>

#include "client/run_file/yaml_tree.h"
#include "common/status/status.h"
#include "lwqat/v1/sweep.pb.h"

namespace lwq::client {

// Adds what the mapping says. Without `takes_metric` a metric is refused: it stands beside.
Status ReadHalvingNode(std::string_view what, const YamlNode& map, bool takes_metric, lwqat::v1::Halving* halving);

// "synchronous" and "asynchronous".
bool IsHalvingOrder(std::string_view word);

}  // namespace lwq::client
