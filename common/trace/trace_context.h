// SPDX-License-Identifier: Apache-2.0
// W3C trace contexts (www.w3.org/TR/trace-context, level 1): the header "traceparent" as calls carry it, and the ids of
// spans. Thread-safe; pure but for the random ids.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lwq {

struct TraceContext {
  std::string trace_id;   // 32 lowercase hexadecimal digits, not all zero
  std::string parent_id;  // 16
  bool sampled = false;
};

// None for what is not one: as the standard has it, the trace then begins anew. Later versions than 00 are read by
// their first four fields.
std::optional<TraceContext> ParseTraceparent(std::string_view text);

// In version 00.
std::string Traceparent(const TraceContext& context);

// Random ids.
std::string NewTraceId();
std::string NewSpanId();

// The id of the span that is `what` in its trace. The same `what` has the same id, whoever asks: so what is told twice,
// as after a lost answer, is one span, and nobody has to keep ids.
std::string SpanIdOf(std::string_view trace_id, std::string_view what);

}  // namespace lwq
