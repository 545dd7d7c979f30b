// SPDX-License-Identifier: Apache-2.0
// Whose requests they are: where credentials come from, and that they are fresh.
//
// The first of these that is there, as Amazon's own tools have it:
//   1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN of the environment;
//   2. AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN (web_identity.h): what Kubernetes gives a Pod's service account;
//   3. the file AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials without it, profile AWS_PROFILE, "default" without it.
// They are kept until 5 minutes before they expire; those that the server no longer takes are loaded anew, so a file
// that is replaced while the program runs is read again.
//
// Thread-safety: any thread. Errors in one line, without any secret: FAILED_PRECONDITION where there are none, or half
// of them; those of web_identity.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/s3/s3_location.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"

namespace lwq {

class HttpClient;

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;   // empty: there is none
  int64_t expires_unix_s = 0;  // 0: never
};

class AwsCredentialsSource {
 public:
  // `http` must outlive this. `now_unix_s` is the clock; null: the system's.
  AwsCredentialsSource(Environment environment, std::string region, HttpClient* http,
                       std::function<int64_t()> now_unix_s = nullptr);

  StatusOr<AwsCredentials> Get();
  // The server does not take them: the next Get loads them anew. Those of another key id are kept.
  void Refuse(const AwsCredentials& refused);

 private:
  StatusOr<AwsCredentials> Load();

  const Environment environment_;
  const std::string region_;
  HttpClient* const http_;
  const std::function<int64_t()> now_unix_s_;
  Mutex mutex_;
  AwsCredentials held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lwq
