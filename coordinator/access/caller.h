// SPDX-License-Identifier: Apache-2.0
// Somebody who calls, and what is said to one who may not. Values and pure functions; thread-safe.
//
// Errors: PERMISSION_DENIED, in one line that says what is missing. Of a run of others it says that it is of a project
// the caller is not for, and not of which.
#pragma once

#include <string>
#include <string_view>

#include "common/access/token_file.h"
#include "common/status/status.h"
#include "coordinator/access/method_rules.h"

namespace lwq::coordinator {

class Caller {
 public:
  // Where nobody is asked for a token: everything is allowed.
  static Caller Anybody();
  static Caller Of(const TokenRecord& token);

  // Not asked who it is.
  bool anybody() const { return anybody_; }
  const std::string& name() const { return name_; }  // of the token; "anybody"
  // Of the token; zero of anybody.
  const Digest& token_sha256() const { return token_sha256_; }
  Role role() const { return role_; }
  const ProjectScope& projects() const { return projects_; }

  bool MaySee(const std::string& project) const { return projects_.Has(project); }

  // The role, and for kAll the scope.
  Status CheckMethod(const MethodRule& rule) const;
  // A project that the caller itself has named.
  Status CheckNamed(const std::string& project) const;
  // The project of `what` ("run 'ab12'").
  Status CheckOf(std::string_view what, const std::string& project) const;

 private:
  bool anybody_ = false;
  std::string name_;
  Digest token_sha256_;
  Role role_ = Role::kViewer;
  ProjectScope projects_;
};

}  // namespace lwq::coordinator
