// SPDX-License-Identifier: Apache-2.0
// Hexadecimal digits as digests, commits and traces are written: in lower case.
//
// Pure; thread-safe.
#pragma once

#include <string_view>

namespace lwq {

// Also of the empty text.
inline bool IsLowerHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace lwq
