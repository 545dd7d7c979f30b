// SPDX-License-Identifier: Apache-2.0
#include "common/task/task_kind.h"

#include <algorithm>

namespace lwq {

StatusOr<TaskKind> ParseTaskKind(std::string_view name) {
  for (const TaskKindTraits& traits : AllTaskKinds()) {
    if (traits.name == name) return traits.kind;
  }
  return absl::InvalidArgumentError(absl::StrCat("task kind '", name, "' is unknown to this version"));
}

bool IsDisposable(TaskKind kind, std::string_view role) {
  const std::string_view of_unit = role.substr(0, role.find('.'));
  const OutputsTraits& outputs = TraitsOf(kind).outputs;
  return std::any_of(outputs.roles.begin(), outputs.roles.end(),
                     [&](const OutputTraits& output) { return output.disposable && output.role == of_unit; });
}

}  // namespace lwq
