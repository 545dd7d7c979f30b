// SPDX-License-Identifier: Apache-2.0
// Which outputs a task makes, by role: what a worker must report, and what another task may read.
//
// Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "common/json/json.h"
#include "common/status/status.h"
#include "common/task/task_def.h"

namespace lwq {

// Roles as task_params.h gives them, in the order of blocks for units. INVALID_ARGUMENT where the parameters are not
// the kind's.
StatusOr<std::vector<std::string>> OutputRoles(TaskKind kind, const Json& params);

// The role of block `first + i` of a unit: "block", "block.1", …
std::string UnitRole(std::string_view role, int64_t i);

}  // namespace lwq
