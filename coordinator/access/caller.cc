// SPDX-License-Identifier: Apache-2.0
#include "coordinator/access/caller.h"

#include "common/text/one_line.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kShownProjectBytes = 128;

}  // namespace

Caller Caller::Anybody() {
  Caller caller;
  caller.anybody_ = true;
  caller.name_ = "anybody";
  caller.projects_ = ProjectScope::All();
  return caller;
}

Caller Caller::Of(const TokenRecord& token) {
  Caller caller;
  caller.name_ = token.name;
  caller.token_sha256_ = token.sha256;
  caller.role_ = token.role;
  caller.projects_ = token.projects;
  return caller;
}

Status Caller::CheckMethod(const MethodRule& rule) const {
  if (anybody_) return absl::OkStatus();
  if (!Includes(role_, rule.least)) {
    return absl::PermissionDeniedError(absl::StrCat(rule.name, " needs the role ", RoleName(rule.least),
                                                    ", and token '", name_, "' has the role ", RoleName(role_)));
  }
  if (rule.projects == ProjectRule::kAll && !projects_.all()) {
    return absl::PermissionDeniedError(
        absl::StrCat(rule.name, " needs a token for all projects, and token '", name_, "' is for ", projects_.Text()));
  }
  return absl::OkStatus();
}

Status Caller::CheckNamed(const std::string& project) const {
  if (MaySee(project)) return absl::OkStatus();
  if (project.empty()) {
    return absl::PermissionDeniedError(
        absl::StrCat("the run names no project, and token '", name_, "' is for ", projects_.Text(), ": set project"));
  }
  return absl::PermissionDeniedError(absl::StrCat("project '", OneLine(project, kShownProjectBytes),
                                                  "' needs a token for it, and token '", name_, "' is for ",
                                                  projects_.Text()));
}

Status Caller::CheckOf(std::string_view what, const std::string& project) const {
  if (MaySee(project)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(what, " is of a project that token '", name_, "' is not for: it is for ", projects_.Text()));
}

}  // namespace lwq::coordinator
