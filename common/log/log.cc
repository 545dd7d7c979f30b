// SPDX-License-Identifier: Apache-2.0
#include "common/log/log.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>

#include "common/access/bearer_token.h"
#include "common/log/log_line.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/sink.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace lwq {
namespace {

LogFields& FieldsOfThread() {
  thread_local LogFields fields;
  return fields;
}

LogTap*& TapOfThread() {
  thread_local LogTap* tap = nullptr;
  return tap;
}

std::string_view ViewOf(spdlog::string_view_t text) {
  return {text.data(), text.size()};
}

class TextFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& event, spdlog::memory_buf_t& line) override {
    const std::string message = TextLogMessage(ViewOf(event.payload), FieldsOfThread());
    spdlog::details::log_msg cleaned = event;
    cleaned.payload = spdlog::string_view_t(message.data(), message.size());
    pattern_.format(cleaned, line);
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<TextFormatter>(); }

 private:
  spdlog::pattern_formatter pattern_{"%Y-%m-%dT%H:%M:%S.%e%z %l %n %v"};
};

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& event, spdlog::memory_buf_t& line) override {
    const auto since_1970 = event.time.time_since_epoch();
    const std::string text =
        JsonLogLine({.unix_us = std::chrono::duration_cast<std::chrono::microseconds>(since_1970).count(),
                     .level = ViewOf(spdlog::level::to_string_view(event.level)),
                     .component = ViewOf(event.logger_name),
                     .message = ViewOf(event.payload)},
                    FieldsOfThread());
    line.append(text.data(), text.data() + text.size());
    line.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

// Passes lines on to the tap of the thread that logs them.
class TapSink final : public spdlog::sinks::sink {
 public:
  void log(const spdlog::details::log_msg& event) override {
    LogTap* const tap = TapOfThread();
    if (tap == nullptr) return;
    tap->OnLine(ViewOf(spdlog::level::to_string_view(event.level)), RedactTokens(ViewOf(event.payload)));
  }
  void flush() override {}
  void set_pattern(const std::string& /*pattern*/) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter> /*formatter*/) override {}
};

}  // namespace

Status InitLog(const std::string& component, const std::string& level, const std::string& format) {
  const auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off") {
    return absl::InvalidArgumentError(
        absl::StrCat("log level '", level, "' is unknown; use trace, debug, info, warn, error or off"));
  }
  if (format != "text" && format != "json") {
    return absl::InvalidArgumentError(absl::StrCat("log format '", format, "' is unknown; use text or json"));
  }
  const auto shown = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  if (format == "json") {
    shown->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    shown->set_formatter(std::make_unique<TextFormatter>());
  }
  shown->set_level(parsed);
  const auto tapped = std::make_shared<TapSink>();
  tapped->set_level(spdlog::level::info);
  auto logger = std::make_shared<spdlog::logger>(component, spdlog::sinks_init_list{shown, tapped});
  logger->set_level(std::min<spdlog::level::level_enum>(parsed, spdlog::level::info));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  return absl::OkStatus();
}

ScopedLogFields::ScopedLogFields(LogFields fields) : added_(fields.size()) {
  LogFields& all = FieldsOfThread();
  all.insert(all.end(), std::make_move_iterator(fields.begin()), std::make_move_iterator(fields.end()));
}

ScopedLogFields::~ScopedLogFields() {
  LogFields& all = FieldsOfThread();
  all.resize(all.size() - added_);
}

ScopedLogTap::ScopedLogTap(LogTap* tap) : before_(std::exchange(TapOfThread(), tap)) {}

ScopedLogTap::~ScopedLogTap() {
  TapOfThread() = before_;
}

}  // namespace lwq
