// SPDX-License-Identifier: Apache-2.0
// Brings what a run's zero-shot tasks asked and were answered to a file on this disk: a line of JSON for each request
// (common/eval_tasks/request_dump.h), task after task.
#pragma once

#include <string>

#include "common/object_store/object_store.h"
#include "common/status/status.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::client {

// INVALID_ARGUMENT unless the folder of `path` is there and `path` itself is no folder: to be asked before a run.
Status CheckLinesPlace(const std::string& path);

// Of the model as it is. The file appears whole, in place of one that was there. FAILED_PRECONDITION where the run has
// asked nothing; DATA_LOSS and NOT_FOUND as the store's; the place's errors.
Status FetchRequestLines(const lwqat::v1::Run& run, ObjectStore* objects, const std::string& path);

}  // namespace lwq::client
