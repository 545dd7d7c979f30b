// SPDX-License-Identifier: Apache-2.0
#include "common/log/log_line.h"

#include <algorithm>

#include "absl/time/time.h"
#include "common/access/bearer_token.h"
#include "common/json/json.h"
#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr size_t kMaxLineBytes = 16 << 10;

std::string Clean(std::string_view text) {
  return OneLine(RedactTokens(text), kMaxLineBytes);
}

}  // namespace

std::string JsonLogLine(const LogEvent& event, const LogFields& fields) {
  Json line = Json::object();
  for (const auto& [key, value] : fields) line[key] = Clean(value);
  line["time"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(event.unix_us), absl::UTCTimeZone());
  line["level"] = Clean(event.level);
  line["component"] = Clean(event.component);
  line["message"] = Clean(event.message);
  return CanonicalJson(line);
}

std::string TextLogMessage(std::string_view message, const LogFields& fields) {
  std::string text = Clean(message);
  for (const auto& [key, value] : fields) absl::StrAppend(&text, " ", key, "=", Clean(value));
  return text;
}

}  // namespace lwq
