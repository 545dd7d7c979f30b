// SPDX-License-Identifier: Apache-2.0
#include "common/log/log.h"

#include <thread>

#include "common/json/json.h"
#include "common/log/log_line.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "spdlog/spdlog.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kToken = "lwq_" + std::string(43, 'x');

TEST(LogLineTest, AJsonLineIsAnObjectWithTheEventAndItsFieldsAndNoToken) {
  const std::string line = JsonLogLine({.unix_us = 1'800'000'000'000'123,
                                        .level = "info",
                                        .component = "coordinator",
                                        .message = "a \"b\"\nc " + kToken},
                                       {{"task", "3f2a9c1e77b0"}, {"message", "forged"}, {"attempt", "2"}});
  EXPECT_EQ(line, R"({"attempt":"2","component":"coordinator","level":"info","message":"a \"b\" c lwq_[redacted]",)"
                  R"("task":"3f2a9c1e77b0","time":"2027-01-15T08:00:00.000123Z"})");
}

TEST(LogLineTest, ATextLineHasItsFieldsBehindTheMessage) {
  EXPECT_EQ(TextLogMessage("done\nin 2 s " + kToken, {{"task", "3f2a"}, {"attempt", "1"}}),
            "done in 2 s lwq_[redacted] task=3f2a attempt=1");
}

TEST(LogTest, FieldsAreThereWhileTheirScopeLives) {
  ASSERT_TRUE(InitLog("test", "info", "json").ok());
  ::testing::internal::CaptureStderr();
  {
    const ScopedLogFields outer(LogFields{{"run", "r"}});
    {
      const ScopedLogFields inner(LogFields{{"task", "t"}});
      spdlog::info("both");
    }
    spdlog::info("one");
  }
  spdlog::info("none");
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr(R"("message":"both","run":"r","task":"t")"));
  EXPECT_THAT(log, HasSubstr(R"("message":"one","run":"r","time")"));
  EXPECT_THAT(log, HasSubstr(R"("message":"none","time")"));
  EXPECT_THAT(log, Not(HasSubstr(R"("message":"one","run":"r","task")")));
}

// What it was told, a line each.
class NotingTap final : public LogTap {
 public:
  void OnLine(std::string_view level, std::string_view message) override {
    told += std::string(level) + " " + std::string(message) + "\n";
  }
  std::string told;
};

TEST(LogTest, ATapIsToldWhatItsThreadLogsWhateverTheLogShows) {
  ASSERT_TRUE(InitLog("test", "error").ok());
  ::testing::internal::CaptureStderr();
  NotingTap outer, inner;
  spdlog::warn("before");
  {
    const ScopedLogTap taps_outer(&outer);
    spdlog::info("token {}", kToken);
    spdlog::debug("a detail");
    {
      const ScopedLogTap taps_inner(&inner);
      spdlog::warn("within");
    }
    std::thread([] { spdlog::warn("of another thread"); }).join();
    spdlog::error("an error");
  }
  spdlog::warn("after");
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(outer.told, "info token lwq_[redacted]\nerror an error\n");
  EXPECT_EQ(inner.told, "warning within\n");
  EXPECT_THAT(log, HasSubstr("an error"));
  EXPECT_THAT(log, Not(HasSubstr("within")));
}

TEST(LogTest, UnknownLevelsAndFormatsAreRefused) {
  EXPECT_THAT(std::string(InitLog("test", "loud").message()), HasSubstr("log level 'loud' is unknown"));
  EXPECT_THAT(std::string(InitLog("test", "info", "xml").message()), HasSubstr("use text or json"));
}

}  // namespace
}  // namespace lwq
