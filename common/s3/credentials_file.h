// SPDX-License-Identifier: Apache-2.0
// The shared credentials file of Amazon's tools: profiles in brackets, NAME = VALUE below them, '#' and ';' comments.
#pragma once

#include <string>
#include <string_view>

#include "common/s3/aws_credentials.h"
#include "common/status/status.h"

namespace lwq {

// NOT_FOUND where file or profile is absent; FAILED_PRECONDITION where the file cannot be read, or the profile has only
// half of what is needed. Messages name file and profile, and nothing that stands in them.
StatusOr<AwsCredentials> ReadCredentialsFile(const std::string& path, std::string_view profile);

// The same of a text; `what` names it in errors.
StatusOr<AwsCredentials> ParseCredentials(std::string_view text, std::string_view profile, std::string_view what);

// A small file as text: a token, or credentials. NOT_FOUND, FAILED_PRECONDITION naming it.
StatusOr<std::string> ReadSecretFile(const std::string& path);

}  // namespace lwq
