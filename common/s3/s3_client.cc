// SPDX-License-Identifier: Apache-2.0
#include "common/s3/s3_client.h"

#include <cstdlib>
#include <ctime>

#include "common/http/percent.h"
#include "common/s3/s3_error.h"
#include "common/s3/sigv4.h"

namespace lwq {
namespace {

// What is not worth a second attempt: servers take 900.
constexpr int64_t kClockToleranceSeconds = 300;

int64_t SystemUnixS() {
  return static_cast<int64_t>(::time(nullptr));
}

bool IsRefusalOfCredentials(std::string_view code) {
  return code == "ExpiredToken" || code == "InvalidAccessKeyId" || code == "InvalidToken" ||
         code == "TokenRefreshRequired";
}

}  // namespace

S3Client::S3Client(S3Location location, const S3ClientOptions& options)
    : location_(std::move(location)),
      now_unix_s_(options.now_unix_s ? options.now_unix_s : SystemUnixS),
      http_({.ca_file = location_.ca_file,
             .stall_seconds = options.stall_seconds,
             .check_address = options.check_address,
             .keep_going = options.keep_going}),
      credentials_(options.environment, location_.region, &http_, now_unix_s_),
      retrier_(options.retry, options.wait) {}

StatusOr<HttpResponse> S3Client::Call(const S3Request& request, bool* was_ambiguous) {
  return retrier_.Run([&] { return CallOnce(request); }, was_ambiguous);
}

StatusOr<HttpResponse> S3Client::CallOnce(const S3Request& request) {
  const std::string what = absl::StrCat(location_.Describe(), ": ", request.what);
  const Digest body_digest = request.body_digest.is_zero() ? DigestOf(request.body) : request.body_digest;
  for (bool is_second : {false, true}) {
    const StatusOr<AwsCredentials> credentials = credentials_.Get();
    if (!credentials.ok()) return Annotate(credentials.status(), what);
    StatusOr<HttpResponse> response = SendSigned(request, body_digest, *credentials);
    if (!response.ok()) return Annotate(response.status(), what);
    if (response->status / 100 == 2) return response;
    if (!is_second && LearnFrom(*response, *credentials)) continue;
    // An answer to HEAD has no body to say more: it may be RequestTimeout.
    if (request.method == "HEAD" && response->status == 400) {
      return absl::UnavailableError(absl::StrCat(what, ": the server answers 400"));
    }
    return StatusOfS3Error(*response, what);
  }
  return absl::InternalError("not reached");
}

StatusOr<HttpResponse> S3Client::SendSigned(const S3Request& request, const Digest& body_digest,
                                            const AwsCredentials& credentials) {
  const std::string date = AmzDate(now_unix_s_() + clock_shift_s_.load());
  RequestToSign to_sign{request.method, location_.PathOf(request.key), request.query, request.headers,
                        body_digest.hex()};
  to_sign.headers.emplace_back("x-amz-date", date);
  to_sign.headers.emplace_back("x-amz-content-sha256", to_sign.payload_sha256);
  if (!credentials.session_token.empty()) {
    to_sign.headers.emplace_back("x-amz-security-token", credentials.session_token);
  }
  HttpRequest http;
  http.headers = to_sign.headers;
  to_sign.headers.emplace_back("host", location_.Host());
  http.headers.emplace_back("Authorization",
                            Authorization(to_sign, {credentials.access_key_id, credentials.secret_access_key},
                                          {location_.region, "s3"}, date));
  http.method = request.method;
  const std::string query = EncodeQuery(request.query);
  http.url = location_.UrlOf(absl::StrCat(to_sign.path, query.empty() ? "" : "?", query));
  http.body = request.body;
  http.max_answer_bytes = request.max_answer_bytes;
  http.send_once = request.send_once;
  http.sink = request.sink;
  return http_.Send(http);
}

bool S3Client::LearnFrom(const HttpResponse& response, const AwsCredentials& credentials) {
  if (response.status != 403 && response.status != 400) return false;
  const S3Error error = ParseS3Error(response.body);
  // Without words (an answer to HEAD) a clock that is far off, or credentials that have expired, are what it may be.
  const bool has_words = !error.code.empty();
  if (error.code == "RequestTimeTooSkewed" || !has_words) {
    if (LearnClock(response)) return true;
  }
  if (!IsRefusalOfCredentials(error.code) && (has_words || response.status != 400)) return false;
  credentials_.Refuse(credentials);
  return true;
}

bool S3Client::LearnClock(const HttpResponse& response) {
  const std::optional<int64_t> server_s = ParseHttpDate(response.Header("date"));
  if (!server_s.has_value()) return false;
  const int64_t shift_s = *server_s - now_unix_s_();
  if (std::abs(shift_s - clock_shift_s_.load()) < kClockToleranceSeconds) return false;
  clock_shift_s_ = shift_s;
  return true;
}

}  // namespace lwq
