// SPDX-License-Identifier: Apache-2.0
#include "common/access/project_scope.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr size_t kMaxProjectBytes = 128;

}  // namespace

ProjectScope ProjectScope::All() {
  ProjectScope scope;
  scope.all_ = true;
  return scope;
}

ProjectScope ProjectScope::Of(std::set<std::string> names) {
  ProjectScope scope;
  scope.names_ = std::move(names);
  return scope;
}

bool ProjectScope::Covers(const ProjectScope& other) const {
  if (all_ || other.all_) return all_;
  return std::includes(names_.begin(), names_.end(), other.names_.begin(), other.names_.end());
}

std::string ProjectScope::Text() const {
  if (all_) return "all projects";
  if (names_.empty()) return "no project";
  const auto quoted = [](std::string* out, const std::string& name) { absl::StrAppend(out, "'", name, "'"); };
  return absl::StrCat(names_.size() == 1 ? "project " : "projects ", absl::StrJoin(names_, ", ", quoted));
}

Status CheckProjectName(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= kMaxProjectBytes && name != "*" &&
                    name.find(',') == std::string_view::npos && OneLine(name, kMaxProjectBytes) == name;
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("project '", OneLine(name, 40), "' must be 1 to ", kMaxProjectBytes,
                                                 " bytes in one line, without a comma and not '*'"));
}

}  // namespace lwq
