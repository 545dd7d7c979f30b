// SPDX-License-Identifier: Apache-2.0
// Spans in OTLP's JSON encoding (opentelemetry.io/docs/specs/otlp, 1.x): an ExportTraceServiceRequest, in which ids are
// hexadecimal, 64-bit integers are texts and enums are numbers. Pure; thread-safe.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/trace/span.h"

namespace lwq {

// `resource`: who sends them, as {"service.name", "lwq-worker"}. Texts are cut and cleaned (OneLine).
std::string OtlpTraceRequest(const std::vector<std::pair<std::string, std::string>>& resource,
                             std::span<const Span> spans);

}  // namespace lwq
