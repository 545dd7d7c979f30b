// SPDX-License-Identifier: Apache-2.0
// UTF-8, one code point at a time, and what to do with bytes that are none.
//
// Valid means Unicode's table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. Functions are pure and
// total.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lwq {

struct Utf8Char {
  char32_t code_point = 0xFFFD;
  // Bytes to skip: the character's length, or for an invalid one the length of the longest prefix of a character (at
  // least 1), which is what Python's errors="replace" and Rust's from_utf8_lossy replace by one U+FFFD.
  size_t size_bytes = 1;
  bool valid = false;
};

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

// Requires text to be non-empty.
Utf8Char DecodeUtf8Char(std::string_view text);

// The offset of the first invalid byte, or npos.
size_t FindInvalidUtf8(std::string_view text);
// Each invalid sequence becomes one U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view text);
// `text` with every `pattern` (not empty), from the left and not overlapping, replaced by `content`.
std::string ReplaceAll(std::string_view text, std::string_view pattern, std::string_view content);
void AppendUtf8(char32_t code_point, std::string* out);
// The Unicode property White_Space.
bool IsWhiteSpace(char32_t code_point);
// Where the white space at the end of `text` begins, and where that at its start ends. Require valid UTF-8.
size_t TrailingSpaceBegin(std::string_view text);
size_t LeadingSpaceEnd(std::string_view text);

}  // namespace lwq
