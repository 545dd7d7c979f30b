// SPDX-License-Identifier: Apache-2.0
#include "coordinator/access/audit_line.h"

#include "absl/time/time.h"
#include "common/access/bearer_token.h"
#include "common/json/json.h"
#include "common/text/one_line.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMaxValueBytes = 500;

std::string Clean(std::string_view text) {
  return OneLine(RedactTokens(text), kMaxValueBytes);
}

}  // namespace

std::string AuditLine(const AuditEntry& entry) {
  Json line = {
      {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(entry.unix_ms), absl::UTCTimeZone())},
      {"who", Clean(entry.who)},
      {"peer", Clean(entry.peer)},
      {"method", entry.method},
      {"result", entry.result}};
  const auto add = [&line](const char* key, const std::string& value) {
    if (!value.empty()) line[key] = Clean(value);
  };
  add("token", entry.token);
  add("certificate", entry.certificate);
  add("message", entry.message);
  add("trace_id", entry.trace_id);
  if (!entry.which.empty()) {
    Json which = Json::object();
    for (const auto& [key, value] : entry.which) which[key] = Clean(value);
    line["which"] = std::move(which);
  }
  return CanonicalJson(line) + "\n";
}

}  // namespace lwq::coordinator
