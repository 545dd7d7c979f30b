// SPDX-License-Identifier: Apache-2.0
// Looks at the published items of a zero-shot task before they are uploaded: every item is read as the worker will read
// it, so that a bad line is named here.
//
// Errors: one line "eval_tasks: …" with NOT_FOUND, INVALID_ARGUMENT or DATA_LOSS.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq::client {

// The tree that the items are uploaded as (common/eval_tasks/item_file.h has the names in it) → paths on this disk. Of
// "valid.jsonl" of a task whose right answers were published apart, "valid-labels.lst" beside it comes along.
StatusOr<std::map<std::string, std::string>> InspectTaskFile(std::string_view task, const std::string& path);

}  // namespace lwq::client
