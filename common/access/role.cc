// SPDX-License-Identifier: Apache-2.0
#include "common/access/role.h"

#include "common/text/one_line.h"

namespace lwq {

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kViewer:
      return "viewer";
    case Role::kSubmitter:
      return "submitter";
    case Role::kAdmin:
      return "admin";
    case Role::kWorker:
      return "worker";
  }
  return "";
}

StatusOr<Role> ParseRole(std::string_view name) {
  for (const Role role : kRoles) {
    if (RoleName(role) == name) return role;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("role '", OneLine(name, 40), "' is unknown: use viewer, submitter, admin or worker"));
}

bool Includes(Role role, Role needed) {
  if (role == Role::kWorker || needed == Role::kWorker) return role == needed;
  return role >= needed;
}

}  // namespace lwq
