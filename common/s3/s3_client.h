// SPDX-License-Identifier: Apache-2.0
// Requests to one bucket: addressed, signed, sent, repeated where that helps, and their failures told as statuses.
//
// A request is repeated as common/retry/retrier.h says. Beside that, once each: where the server finds our clock wrong
// (403 RequestTimeTooSkewed), by the time that its answer states, which is kept for later requests; and where it no
// longer takes the credentials, with those that are loaded anew.
//
// Thread-safety: any thread; requests run side by side. Errors: those of s3_error.h, http_client.h and
// aws_credentials.h, with what was tried and the bucket in front.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/digest/digest.h"
#include "common/http/http_client.h"
#include "common/retry/retrier.h"
#include "common/s3/aws_credentials.h"
#include "common/s3/s3_location.h"
#include "common/status/status.h"

namespace lwq {

struct S3Request {
  std::string what;  // for messages: "put object 'a'"
  std::string method = "GET";
  std::string key = {};  // below the location's prefix; empty: the bucket itself
  std::map<std::string, std::string> query = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  // beside those that signing adds
  std::span<const std::byte> body = {};                           // must outlive the call
  Digest body_digest = {};                                        // of the body, where it is known
  int64_t max_answer_bytes = 1 << 20;
  bool send_once = false;  // as HttpRequest's: whether it was carried out before must not be missed
  // As HttpRequest::sink. Called anew from the first byte where the request is repeated.
  std::function<Status(const HttpHead& head, std::span<const std::byte> piece)> sink = nullptr;
};

struct S3ClientOptions {
  RetryOptions retry = {};
  RetryWait wait = WaitBySleeping;  // may be called from several threads at once
  Environment environment = ProcessEnvironment;
  std::function<int64_t()> now_unix_s = nullptr;  // the clock; null: the system's
  int stall_seconds = 30;
  std::function<Status(const sockaddr* address)> check_address = nullptr;  // as HttpOptions'
  std::function<Status()> keep_going = nullptr;                            // as HttpOptions'
};

class S3Client {
 public:
  S3Client(S3Location location, const S3ClientOptions& options);

  // An answer with status 2xx, or the error. `was_ambiguous` (may be null) is set when an earlier attempt may have
  // taken effect.
  StatusOr<HttpResponse> Call(const S3Request& request, bool* was_ambiguous = nullptr);
  // The same without repetition of what may help when repeated.
  StatusOr<HttpResponse> CallOnce(const S3Request& request);

  const S3Location& location() const { return location_; }
  Retrier& retrier() { return retrier_; }

 private:
  StatusOr<HttpResponse> SendSigned(const S3Request& request, const Digest& body_digest,
                                    const AwsCredentials& credentials);
  // Whether the answer says something that a second attempt takes into account.
  bool LearnFrom(const HttpResponse& response, const AwsCredentials& credentials);
  bool LearnClock(const HttpResponse& response);

  const S3Location location_;
  const std::function<int64_t()> now_unix_s_;
  HttpClient http_;
  AwsCredentialsSource credentials_;
  Retrier retrier_;
  std::atomic<int64_t> clock_shift_s_{0};  // the server's clock less ours
};

}  // namespace lwq
