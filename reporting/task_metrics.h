// SPDX-License-Identifier: Apache-2.0
// What a task said of itself when it was done (common/task/task_params.h has each kind's metrics). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/json/json.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

// An object; an empty one where the task is not done, or what it said is none.
Json MetricsOf(const lwqat::v1::Task& task);

// Nothing where the object has no such number: JSON has none for what is not finite, and null stands for it.
std::optional<double> NumberOf(const Json& metrics, std::string_view key);
std::optional<int64_t> IntegerOf(const Json& metrics, std::string_view key);

}  // namespace lwq::reporting
