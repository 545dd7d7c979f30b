// SPDX-License-Identifier: Apache-2.0
// The tokenizer of a task, from its input "tokenizer". One thread.
#pragma once

#include <memory>

#include "common/status/status.h"
#include "common/tokenizer/tokenizer.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

// Errors of the input and of LoadTokenizer.
StatusOr<std::unique_ptr<Tokenizer>> OpenTokenizer(const Task& task, const TaskContext& context);

}  // namespace lwq::worker
