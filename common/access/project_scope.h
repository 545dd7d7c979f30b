// SPDX-License-Identifier: Apache-2.0
// Which projects somebody may act for: some by name, or all. A value; runs without a project are those of the project
// named "".
#pragma once

#include <compare>
#include <set>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

class ProjectScope {
 public:
  // Of no project.
  ProjectScope() = default;
  static ProjectScope All();
  static ProjectScope Of(std::set<std::string> names);

  bool all() const { return all_; }
  // Empty where it is all.
  const std::set<std::string>& names() const { return names_; }
  bool Has(const std::string& project) const { return all_ || names_.contains(project); }
  // Whether it has every project of the other.
  bool Covers(const ProjectScope& other) const;
  // For people: "all projects", "project 'a'", "projects 'a', 'b'", "no project".
  std::string Text() const;

  friend auto operator<=>(const ProjectScope&, const ProjectScope&) = default;

 private:
  bool all_ = false;
  std::set<std::string> names_;
};

// INVALID_ARGUMENT unless `name` can be a project's in a scope: 1 to 128 bytes of one line without a comma.
Status CheckProjectName(std::string_view name);

}  // namespace lwq
