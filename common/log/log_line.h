// SPDX-License-Identifier: Apache-2.0
// How a line of the log looks. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/log/log.h"

namespace lwq {

struct LogEvent {
  int64_t unix_us = 0;
  std::string_view level;      // "info", …
  std::string_view component;  // "coordinator"
  std::string_view message;
};

// A JSON object in one line, without its line feed; tokens are redacted. A field never takes the place of one of the
// event's own keys.
std::string JsonLogLine(const LogEvent& event, const LogFields& fields);
// What a text line has after its component: the message, tokens redacted, in one line, then key=value of the fields.
std::string TextLogMessage(std::string_view message, const LogFields& fields);

}  // namespace lwq
