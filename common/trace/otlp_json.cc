// SPDX-License-Identifier: Apache-2.0
#include "common/trace/otlp_json.h"

#include <cmath>

#include "common/json/json.h"
#include "common/status/status.h"
#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr size_t kMaxTextBytes = 2000;
constexpr int kStatusError = 2;

Json TextValue(std::string_view text) {
  return {{"stringValue", OneLine(text, kMaxTextBytes)}};
}

Json ValueOf(const std::variant<std::string, int64_t, double>& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return {{"intValue", absl::StrCat(*integer)}};
  if (const auto* text = std::get_if<std::string>(&value)) return TextValue(*text);
  const double number = std::get<double>(value);
  if (std::isfinite(number)) return {{"doubleValue", number}};
  return TextValue(std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
}

Json Attribute(const std::string& key, Json value) {
  return {{"key", key}, {"value", std::move(value)}};
}

Json SpanJson(const Span& span) {
  Json json = {{"traceId", span.trace_id},
               {"spanId", span.span_id},
               {"name", OneLine(span.name, kMaxTextBytes)},
               {"kind", static_cast<int>(span.kind)},
               {"startTimeUnixNano", absl::StrCat(span.begin_unix_ns)},
               {"endTimeUnixNano", absl::StrCat(span.end_unix_ns)}};
  if (!span.parent_id.empty()) json["parentSpanId"] = span.parent_id;
  Json attributes = Json::array();
  for (const auto& [key, value] : span.attributes) attributes.push_back(Attribute(key, ValueOf(value)));
  json["attributes"] = std::move(attributes);
  if (span.failed) json["status"] = {{"code", kStatusError}, {"message", OneLine(span.error, kMaxTextBytes)}};
  return json;
}

}  // namespace

std::string OtlpTraceRequest(const std::vector<std::pair<std::string, std::string>>& resource,
                             std::span<const Span> spans) {
  Json attributes = Json::array();
  for (const auto& [key, value] : resource) attributes.push_back(Attribute(key, TextValue(value)));
  Json list = Json::array();
  for (const Span& span : spans) list.push_back(SpanJson(span));
  Json scope = {{"scope", {{"name", "lwq"}}}, {"spans", std::move(list)}};
  Json of_resource = {{"resource", {{"attributes", std::move(attributes)}}},
                      {"scopeSpans", Json::array({std::move(scope)})}};
  const Json request = {{"resourceSpans", Json::array({std::move(of_resource)})}};
  return CanonicalJson(request);
}

}  // namespace lwq
