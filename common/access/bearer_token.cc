// SPDX-License-Identifier: Apache-2.0
#include "common/access/bearer_token.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"

namespace lwq {
namespace {

constexpr size_t kRandomBytes = 32;
constexpr size_t kEncodedBytes = 43;  // 32 bytes in base64url without padding

bool IsBase64Url(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

StatusOr<std::string> NewBearerToken() {
  std::array<unsigned char, kRandomBytes> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return absl::UnavailableError("the system has no random numbers for a token: try again");
  }
  const std::string encoded =
      absl::WebSafeBase64Escape(absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return absl::StrCat(kTokenPrefix, encoded);
}

bool IsBearerToken(std::string_view text) {
  return text.size() == kTokenPrefix.size() + kEncodedBytes && text.starts_with(kTokenPrefix) &&
         std::all_of(text.begin(), text.end(), IsBase64Url);
}

Digest HashOfToken(std::string_view token) {
  return DigestOf(token);
}

bool EqualInConstantTime(const Digest& a, const Digest& b) {
  return CRYPTO_memcmp(a.bytes().data(), b.bytes().data(), Digest::kBytes) == 0;
}

std::string RedactTokens(std::string_view text) {
  std::string redacted;
  while (true) {
    const size_t at = text.find(kTokenPrefix);
    if (at == std::string_view::npos) break;
    size_t end = at + kTokenPrefix.size();
    while (end < text.size() && IsBase64Url(text[end])) ++end;
    redacted.append(text.substr(0, at));
    // Names such as lwq_worker are no secrets.
    const bool secret = end - at >= kTokenPrefix.size() + kEncodedBytes;
    redacted.append(secret ? "lwq_[redacted]" : text.substr(at, end - at));
    text.remove_prefix(end);
  }
  redacted.append(text);
  return redacted;
}

}  // namespace lwq
