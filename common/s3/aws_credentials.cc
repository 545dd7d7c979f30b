// SPDX-License-Identifier: Apache-2.0
#include "common/s3/aws_credentials.h"

#include <ctime>
#include <utility>

#include "common/s3/credentials_file.h"
#include "common/s3/web_identity.h"

namespace lwq {
namespace {

constexpr int64_t kRefreshSeconds = 300;

}  // namespace

AwsCredentialsSource::AwsCredentialsSource(Environment environment, std::string region, HttpClient* http,
                                           std::function<int64_t()> now_unix_s)
    : environment_(std::move(environment)),
      region_(std::move(region)),
      http_(http),
      now_unix_s_(now_unix_s ? std::move(now_unix_s) : [] { return static_cast<int64_t>(::time(nullptr)); }) {}

StatusOr<AwsCredentials> AwsCredentialsSource::Get() {
  const MutexLock lock(&mutex_);
  const int64_t left_s = held_.expires_unix_s - now_unix_s_();
  const bool is_held = !held_.access_key_id.empty();
  if (is_held && (held_.expires_unix_s == 0 || left_s > kRefreshSeconds)) return held_;
  StatusOr<AwsCredentials> loaded = Load();
  // Those that are held still serve for a while.
  if (!loaded.ok() && is_held && left_s > 0) return held_;
  if (loaded.ok()) held_ = *loaded;
  return loaded;
}

void AwsCredentialsSource::Refuse(const AwsCredentials& refused) {
  const MutexLock lock(&mutex_);
  if (refused.access_key_id == held_.access_key_id && refused.session_token == held_.session_token) held_ = {};
}

StatusOr<AwsCredentials> AwsCredentialsSource::Load() {
  const auto key = environment_("AWS_ACCESS_KEY_ID");
  const auto secret = environment_("AWS_SECRET_ACCESS_KEY");
  if (key.has_value() != secret.has_value()) {
    return absl::FailedPreconditionError(
        "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set; set both or neither");
  }
  if (key.has_value()) return AwsCredentials{*key, *secret, environment_("AWS_SESSION_TOKEN").value_or(""), 0};
  const auto token_file = environment_("AWS_WEB_IDENTITY_TOKEN_FILE");
  const auto role = environment_("AWS_ROLE_ARN");
  if (token_file.has_value() != role.has_value()) {
    return absl::FailedPreconditionError(
        "of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN only one is set; set both or neither");
  }
  if (role.has_value()) {
    const std::string otherwise = absl::StrCat("https://sts.", region_, ".amazonaws.com");
    return AssumeRoleWithWebIdentity({.endpoint = environment_("AWS_ENDPOINT_URL_STS").value_or(otherwise),
                                      .role_arn = *role,
                                      .session_name = environment_("AWS_ROLE_SESSION_NAME").value_or("lwq"),
                                      .token_file = *token_file},
                                     *http_);
  }
  const auto home = environment_("HOME");
  const std::string file =
      environment_("AWS_SHARED_CREDENTIALS_FILE").value_or(home.value_or("") + "/.aws/credentials");
  const std::string profile = environment_("AWS_PROFILE").value_or("default");
  StatusOr<AwsCredentials> loaded = ReadCredentialsFile(file, profile);
  if (!absl::IsNotFound(loaded.status())) return loaded;
  return absl::FailedPreconditionError(absl::StrCat(
      "no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_WEB_IDENTITY_TOKEN_FILE and "
      "AWS_ROLE_ARN, or AWS_SHARED_CREDENTIALS_FILE (",
      MessageOf(loaded.status()), ")"));
}

}  // namespace lwq
