// SPDX-License-Identifier: Apache-2.0
#include "common/s3/credentials_file.h"

#include <algorithm>

#include "common/file/small_file.h"

namespace lwq {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;

std::string_view WithoutSpaces(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r";
  while (!text.empty() && kSpaces.find(text.front()) != std::string_view::npos) text.remove_prefix(1);
  while (!text.empty() && kSpaces.find(text.back()) != std::string_view::npos) text.remove_suffix(1);
  return text;
}

}  // namespace

StatusOr<std::string> ReadSecretFile(const std::string& path) {
  StatusOr<std::string> text = ReadSmallFile(path, kMaxFileBytes);
  if (text.ok() || absl::IsNotFound(text.status())) return text;
  return absl::FailedPreconditionError(absl::StrCat(MessageOf(text.status())));
}

StatusOr<AwsCredentials> ParseCredentials(std::string_view text, std::string_view profile, std::string_view what) {
  AwsCredentials credentials;
  bool is_inside = false;
  bool was_found = false;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = WithoutSpaces(text.substr(begin, end - begin));
    begin = end + 1;
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      is_inside = WithoutSpaces(line.substr(1, line.size() - 2)) == profile;
      was_found = was_found || is_inside;
      continue;
    }
    const size_t equals = line.find('=');
    if (!is_inside || equals == std::string_view::npos) continue;
    const std::string_view name = WithoutSpaces(line.substr(0, equals));
    const std::string value(WithoutSpaces(line.substr(equals + 1)));
    if (name == "aws_access_key_id") credentials.access_key_id = value;
    if (name == "aws_secret_access_key") credentials.secret_access_key = value;
    if (name == "aws_session_token") credentials.session_token = value;
  }
  if (!was_found) return absl::NotFoundError(absl::StrCat(what, " has no profile [", profile, "]"));
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": profile [", profile, "] has not both aws_access_key_id and aws_secret_access_key"));
  }
  return credentials;
}

StatusOr<AwsCredentials> ReadCredentialsFile(const std::string& path, std::string_view profile) {
  LWQ_ASSIGN_OR_RETURN(const std::string text, ReadSecretFile(path));
  return ParseCredentials(text, profile, path);
}

}  // namespace lwq
