// SPDX-License-Identifier: Apache-2.0
#include "common/text/duration.h"

#include <charconv>

namespace lwq {
namespace {

constexpr int64_t kSecondMs = 1000;
constexpr int64_t kDayMs = 24 * 60 * 60 * kSecondMs;
constexpr int64_t kMaxMs = 36'500 * kDayMs;

// 0: none of the units.
int64_t UnitMs(char unit) {
  switch (unit) {
    case 's':
      return kSecondMs;
    case 'm':
      return 60 * kSecondMs;
    case 'h':
      return 60 * 60 * kSecondMs;
    case 'd':
      return kDayMs;
    default:
      return 0;
  }
}

}  // namespace

std::optional<int64_t> ParseDurationMs(std::string_view text) {
  const int64_t unit_ms = text.empty() ? 0 : UnitMs(text.back());
  if (unit_ms == 0) return std::nullopt;
  text.remove_suffix(1);
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count > static_cast<uint64_t>(kMaxMs / unit_ms)) {
    return std::nullopt;
  }
  return static_cast<int64_t>(count) * unit_ms;
}

}  // namespace lwq
