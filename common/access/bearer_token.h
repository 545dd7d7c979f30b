// SPDX-License-Identifier: Apache-2.0
// Bearer tokens: 256 random bits as text, of which the coordinator keeps the SHA-256 alone. A hash that costs time, as
// passwords need, would protect nothing here: nobody guesses 256 bits (docs/adr/0027-tokens.md).
// Pure but for NewBearerToken, which asks OpenSSL for random bytes. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "common/digest/digest.h"
#include "common/status/status.h"

namespace lwq {

// What every token begins with, so that scanners of repositories and logs find those that leaked.
inline constexpr std::string_view kTokenPrefix = "lwq_";

// "lwq_" and 43 characters of base64url.
StatusOr<std::string> NewBearerToken();

// Whether the text has the form of a token.
bool IsBearerToken(std::string_view text);

// What is stored of it.
Digest HashOfToken(std::string_view token);

// In a time that does not depend on where they differ.
bool EqualInConstantTime(const Digest& a, const Digest& b);

// The text with every token in it replaced by "lwq_[redacted]": for logs and messages that quote what others wrote.
std::string RedactTokens(std::string_view text);

}  // namespace lwq
