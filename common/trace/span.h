// SPDX-License-Identifier: Apache-2.0
// What took from when to when, as OpenTelemetry's traces have it. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace lwq {

struct Span {
  enum class Kind { kInternal = 1, kServer = 2 };  // as OTLP numbers them

  std::string trace_id;   // 32 hexadecimal digits
  std::string span_id;    // 16
  std::string parent_id;  // 16, or "": the first of its trace
  std::string name;
  Kind kind = Kind::kInternal;
  int64_t begin_unix_ns = 0;
  int64_t end_unix_ns = 0;
  std::vector<std::pair<std::string, std::variant<std::string, int64_t, double>>> attributes = {};
  bool failed = false;
  std::string error = {};  // of one that failed
};

}  // namespace lwq
