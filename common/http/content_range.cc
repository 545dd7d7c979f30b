// SPDX-License-Identifier: Apache-2.0
#include "common/http/content_range.h"

#include <charconv>

namespace lwq {
namespace {

bool ParseCount(std::string_view text, int64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && *value >= 0;
}

}  // namespace

std::optional<ContentRange> ParseContentRange(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) return std::nullopt;
  ContentRange range;
  if (!ParseCount(text.substr(0, dash), &range.begin) ||
      !ParseCount(text.substr(dash + 1, slash - dash - 1), &range.end) ||
      !ParseCount(text.substr(slash + 1), &range.total)) {
    return std::nullopt;
  }
  if (range.begin > range.end || range.end >= range.total) return std::nullopt;
  return range;
}

}  // namespace lwq
