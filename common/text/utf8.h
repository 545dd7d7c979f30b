// UTF-8, one code point at a time.
//
// Valid means Unicode's table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. Functions are pure and
// total.
#pragma once

#include <cstddef>
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

}  // namespace lwq
