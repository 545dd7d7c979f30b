// SPDX-License-Identifier: Apache-2.0
// The daemons' log: one line per event on standard error, as text ("time level component message key=value …") or as
// JSON (an object with "time", "level", "component", "message", and the fields that hold where it was logged).
//
// Libraries log through spdlog directly; InitLog is called once, by main. No line holds a bearer token, whatever a
// message quotes. What a line is about (run, task, attempt, trace) is said once, by whoever begins it, as fields of its
// thread. Thread-safety: any thread, after InitLog; fields and taps are a thread's own.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status/status.h"

namespace lwq {

// `component` is the process's name in every line; `level` one of trace, debug, info, warn, error, off; `format` text
// or json. INVALID_ARGUMENT for another.
Status InitLog(const std::string& component, const std::string& level, const std::string& format = "text");

using LogFields = std::vector<std::pair<std::string, std::string>>;

// While it lives, every line that its thread logs has these fields as well: task, attempt, run, trace_id, …
class ScopedLogFields {
 public:
  explicit ScopedLogFields(LogFields fields);
  ~ScopedLogFields();
  ScopedLogFields(const ScopedLogFields&) = delete;
  ScopedLogFields& operator=(const ScopedLogFields&) = delete;

 private:
  const size_t added_;
};

// Is told what its thread logs, beside the log.
class LogTap {
 public:
  virtual ~LogTap() = default;
  // A line of level info or above, whatever the log shows, without its fields; tokens are redacted. Must return quickly
  // and must not log.
  virtual void OnLine(std::string_view level, std::string_view message) = 0;
};

// While it lives, the tap, which must outlive it, is told what its thread logs, in place of one that was before.
class ScopedLogTap {
 public:
  explicit ScopedLogTap(LogTap* tap);
  ~ScopedLogTap();
  ScopedLogTap(const ScopedLogTap&) = delete;
  ScopedLogTap& operator=(const ScopedLogTap&) = delete;

 private:
  LogTap* const before_;
};

}  // namespace lwq
