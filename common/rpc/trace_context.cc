// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/trace_context.h"

#include <algorithm>

namespace lwq {
namespace {

constexpr size_t kLength = 55;  // 00-<32>-<16>-<2>

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsId(std::string_view text) {
  return IsHex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

std::optional<TraceContext> ParseTraceparent(std::string_view text) {
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace_id = text.substr(3, 32);
  const std::string_view parent_id = text.substr(36, 16);
  const std::string_view flags = text.substr(53, 2);
  if (!IsHex(version) || version == "ff" || !IsId(trace_id) || !IsId(parent_id) || !IsHex(flags)) return std::nullopt;
  if (text.size() > kLength && (version == "00" || text[kLength] != '-')) return std::nullopt;
  const char last = flags.back();
  const int low = last <= '9' ? last - '0' : last - 'a' + 10;
  return TraceContext{std::string(trace_id), std::string(parent_id), (low & 1) != 0};
}

}  // namespace lwq
