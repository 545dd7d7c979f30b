// SPDX-License-Identifier: Apache-2.0
// Times as people write them on a command line: "30d", "12h", "90m", "45s". Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lwq {

// Milliseconds: a whole number and one of s, m, h and d, at most 100 years. None for any other text.
std::optional<int64_t> ParseDurationMs(std::string_view text);

}  // namespace lwq
