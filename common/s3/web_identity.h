// SPDX-License-Identifier: Apache-2.0
// Credentials for a role, in exchange for the token that a cluster gives a service account: AssumeRoleWithWebIdentity
// of Amazon's token service, which other servers have too. (EKS calls it IRSA.)
#pragma once

#include <string>
#include <string_view>

#include "common/s3/aws_credentials.h"
#include "common/status/status.h"

namespace lwq {

struct WebIdentity {
  std::string endpoint;  // of the token service
  std::string role_arn;
  std::string session_name;
  std::string token_file;  // read at each call: clusters replace it
};

// FAILED_PRECONDITION where the file cannot be read or the service refuses, with its words; UNAVAILABLE where it does
// not answer now. Thread-safe.
StatusOr<AwsCredentials> AssumeRoleWithWebIdentity(const WebIdentity& identity, HttpClient& http);

// From the service's answer. UNAVAILABLE for what is none.
StatusOr<AwsCredentials> ParseAssumedRole(std::string_view xml);

}  // namespace lwq
