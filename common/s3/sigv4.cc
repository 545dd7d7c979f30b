// SPDX-License-Identifier: Apache-2.0
#include "common/s3/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <ctime>

#include "absl/strings/escaping.h"
#include "common/digest/digest.h"
#include "common/http/percent.h"
#include "common/status/status.h"
#include "common/text/lower_case.h"

namespace lwq {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

using Mac = std::array<unsigned char, 32>;

Mac HmacSha256(std::string_view key, std::string_view text) {
  Mac mac{};
  unsigned int size = 0;
  const unsigned char* made =
      ::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
  LWQ_CHECK(made != nullptr && size == mac.size(), "HMAC-SHA256 is not to be had from OpenSSL");
  return mac;
}

std::string_view AsText(const Mac& mac) {
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

std::string Hex(const Mac& mac) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

// Without spaces at the ends; inside, one for several.
std::string FoldSpaces(std::string_view value) {
  std::string folded;
  for (const char c : value) {
    if (c == ' ' && (folded.empty() || folded.back() == ' ')) continue;
    folded.push_back(c);
  }
  if (!folded.empty() && folded.back() == ' ') folded.pop_back();
  return folded;
}

std::map<std::string, std::string> CanonicalHeaders(const RequestToSign& request) {
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : request.headers) {
    const auto [at, added] = headers.emplace(LowerCase(name), FoldSpaces(value));
    if (!added) absl::StrAppend(&at->second, ",", FoldSpaces(value));
  }
  return headers;
}

std::string SignedHeaders(const std::map<std::string, std::string>& headers) {
  std::string names;
  for (const auto& [name, value] : headers) absl::StrAppend(&names, names.empty() ? "" : ";", name);
  return names;
}

std::string ScopeText(const SigningScope& scope, std::string_view amz_date) {
  return absl::StrCat(amz_date.substr(0, 8), "/", scope.region, "/", scope.service, "/aws4_request");
}

}  // namespace

std::string AmzDate(int64_t unix_s) {
  const auto seconds = static_cast<time_t>(unix_s);
  struct tm utc {};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &utc)};
}

std::string CanonicalRequest(const RequestToSign& request) {
  const std::map<std::string, std::string> headers = CanonicalHeaders(request);
  std::string text = absl::StrCat(request.method, "\n", request.path, "\n", EncodeQuery(request.query), "\n");
  for (const auto& [name, value] : headers) absl::StrAppend(&text, name, ":", value, "\n");
  absl::StrAppend(&text, "\n", SignedHeaders(headers), "\n", request.payload_sha256);
  return text;
}

std::string StringToSign(const RequestToSign& request, const SigningScope& scope, std::string_view amz_date) {
  return absl::StrCat(kAlgorithm, "\n", amz_date, "\n", ScopeText(scope, amz_date), "\n",
                      DigestOf(CanonicalRequest(request)).hex());
}

std::string Authorization(const RequestToSign& request, const SigningSecret& secret, const SigningScope& scope,
                          std::string_view amz_date) {
  const Mac day = HmacSha256(absl::StrCat("AWS4", secret.secret_access_key), amz_date.substr(0, 8));
  const Mac region = HmacSha256(AsText(day), scope.region);
  const Mac service = HmacSha256(AsText(region), scope.service);
  const Mac key = HmacSha256(AsText(service), "aws4_request");
  const Mac signature = HmacSha256(AsText(key), StringToSign(request, scope, amz_date));
  return absl::StrCat(kAlgorithm, " Credential=", secret.access_key_id, "/", ScopeText(scope, amz_date),
                      ", SignedHeaders=", SignedHeaders(CanonicalHeaders(request)), ", Signature=", Hex(signature));
}

}  // namespace lwq
