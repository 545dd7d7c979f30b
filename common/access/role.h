// SPDX-License-Identifier: Apache-2.0
// What whoever calls the coordinator may do at all; which projects it may do that for is project_scope.h's to say.
// Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

// Each of the first three may do what those before it may. A worker executes tasks and may do nothing else, and nobody
// else may do that: a stolen worker's token reads no run, and a stolen user's token makes no results.
enum class Role { kViewer, kSubmitter, kAdmin, kWorker };
inline constexpr Role kRoles[] = {Role::kViewer, Role::kSubmitter, Role::kAdmin, Role::kWorker};

// "viewer", "submitter", "admin", "worker".
std::string_view RoleName(Role role);
// INVALID_ARGUMENT names the four.
StatusOr<Role> ParseRole(std::string_view name);

// Whether who has the one role may do what the other may.
bool Includes(Role role, Role needed);

}  // namespace lwq
