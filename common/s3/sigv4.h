// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4, in the header form: what makes a request one of its sender's and nobody else's.
//
// Paths are signed as they are sent, encoded once, as S3 wants it (other AWS services encode twice and normalize).
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lwq {

struct SigningSecret {
  std::string access_key_id;
  std::string secret_access_key;
};

struct SigningScope {
  std::string region;   // "us-east-1"
  std::string service;  // "s3"
};

struct RequestToSign {
  std::string method;
  std::string path;                          // percent-encoded, begins with '/'
  std::map<std::string, std::string> query;  // neither encoded nor in need of it
  // All headers that are to be signed, host, x-amz-date and x-amz-content-sha256 among them; names in any case. Of
  // several with one name the values are joined in the order given.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string payload_sha256;  // of the body, hexadecimal
};

// "20150830T123600Z".
std::string AmzDate(int64_t unix_s);

// The three steps, for tests and messages.
std::string CanonicalRequest(const RequestToSign& request);
std::string StringToSign(const RequestToSign& request, const SigningScope& scope, std::string_view amz_date);

// The value of the header Authorization.
std::string Authorization(const RequestToSign& request, const SigningSecret& secret, const SigningScope& scope,
                          std::string_view amz_date);

}  // namespace lwq
