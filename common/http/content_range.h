// SPDX-License-Identifier: Apache-2.0
// The header Content-Range of an answer that is a part of something. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lwq {

struct ContentRange {
  int64_t begin = 0;
  int64_t end = 0;    // inclusive
  int64_t total = 0;  // bytes of the whole
};
// "bytes 0-9/100"; none if it is not that or contradicts itself.
std::optional<ContentRange> ParseContentRange(std::string_view text);

}  // namespace lwq
