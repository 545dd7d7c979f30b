// SPDX-License-Identifier: Apache-2.0
#include "common/trace/trace_context.h"

#include <random>

#include "common/digest/digest.h"
#include "common/status/status.h"
#include "common/text/hex.h"

namespace lwq {
namespace {

constexpr size_t kLength = 55;  // 00-<32>-<16>-<2>
constexpr size_t kTraceIdDigits = 32;
constexpr size_t kSpanIdDigits = 16;

bool IsId(std::string_view text) {
  return IsLowerHex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

std::string RandomDigits(size_t count) {
  std::random_device random;  // the system's generator
  std::string seed;
  for (int i = 0; i < 8; ++i) absl::StrAppend(&seed, random(), " ");
  return DigestOf(seed).hex().substr(0, count);
}

}  // namespace

std::optional<TraceContext> ParseTraceparent(std::string_view text) {
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace_id = text.substr(3, kTraceIdDigits);
  const std::string_view parent_id = text.substr(36, kSpanIdDigits);
  const std::string_view flags = text.substr(53, 2);
  if (!IsLowerHex(version) || version == "ff" || !IsId(trace_id) || !IsId(parent_id) || !IsLowerHex(flags))
    return std::nullopt;
  if (text.size() > kLength && (version == "00" || text[kLength] != '-')) return std::nullopt;
  const char last = flags.back();
  const int low = last <= '9' ? last - '0' : last - 'a' + 10;
  return TraceContext{std::string(trace_id), std::string(parent_id), (low & 1) != 0};
}

std::string Traceparent(const TraceContext& context) {
  return absl::StrCat("00-", context.trace_id, "-", context.parent_id, context.sampled ? "-01" : "-00");
}

std::string NewTraceId() {
  return RandomDigits(kTraceIdDigits);
}

std::string NewSpanId() {
  return RandomDigits(kSpanIdDigits);
}

std::string SpanIdOf(std::string_view trace_id, std::string_view what) {
  return DigestOf(absl::StrCat(trace_id, "|", what)).hex().substr(0, kSpanIdDigits);
}

}  // namespace lwq
