// SPDX-License-Identifier: Apache-2.0
// The logs of runs: which lines of workers are kept, what says that others are not, and what a lease says of its run.
#include <string>
#include <vector>

#include "coordinator/scheduler/state/log_intake.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::NoopSpec;
using testing::SchedulerHarness;

constexpr int64_t kThousand = LogIntake::kMaxLines;

class WorkerLinesTest : public ::testing::Test {
 protected:
  void Begin(int64_t tasks = 1) {
    worker_ = harness_.Register("a");
    run_ = harness_.Submit(NoopSpec(tasks));
    lease_ = *harness_.LeaseTo(worker_);
  }
  void Beat(const std::vector<std::string>& lines, std::optional<int64_t> first) {
    Heartbeat beat;
    beat.worker = worker_;
    beat.tasks.push_back(
        {.task = lease_.task, .token = lease_.token, .progress = {}, .log_lines = lines, .first_log_line = first});
    ASSERT_TRUE(harness_.Do(beat).status.ok());
  }
  Effects Report(const std::vector<std::string>& lines, std::optional<int64_t> first) {
    ReportTask report;
    report.worker = worker_;
    report.task = lease_.task;
    report.token = lease_.token;
    report.outcome = testing::HonestSuccess(lease_);
    report.log_lines = lines;
    report.first_log_line = first;
    return harness_.Do(report);
  }
  // Of the task, without those of the run.
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const LogRecord& line : harness_.run(run_).logs) {
      if (!line.task.empty()) lines.push_back(line.text);
    }
    return lines;
  }

  SchedulerHarness harness_;
  WorkerId worker_;
  RunId run_;
  Lease lease_;
};

TEST_F(WorkerLinesTest, ALineIsKeptOnceHoweverOftenItIsSent) {
  Begin();
  Beat({"a", "b"}, 0);
  Beat({"a", "b"}, 0);  // the answer was lost
  Beat({"b", "c"}, 1);
  ASSERT_TRUE(Report({"b", "c", "d"}, 1).status.ok());
  EXPECT_THAT(Lines(), ElementsAre("a", "b", "c", "d", HasSubstr("attempt 1 succeeded")));
  for (const LogRecord& line : harness_.run(run_).logs) EXPECT_EQ(line.attempt, line.task.empty() ? 0 : 1) << line.text;
}

TEST_F(WorkerLinesTest, LinesOfAWorkerThatDoesNotNumberThemAreAllKept) {
  Begin();
  Beat({"a"}, std::nullopt);
  Beat({"a"}, std::nullopt);
  EXPECT_THAT(Lines(), ElementsAre("a", "a"));
}

TEST_F(WorkerLinesTest, LinesThatNeverCameAreCountedWhenTheAttemptEnds) {
  Begin();
  Beat({"d"}, 3);
  Beat({"f"}, 5);
  ASSERT_TRUE(Report({}, 7).status.ok());
  EXPECT_THAT(Lines(), ElementsAre("d", "f", HasSubstr("5 lines of this attempt's log left out"),
                                   HasSubstr("attempt 1 succeeded")));
}

TEST_F(WorkerLinesTest, AnAttemptThatIsLostSaysWhatIsMissing) {
  Begin();
  Beat({"b"}, 1);
  harness_.Advance(harness_.options().lease_ms + 1);
  EXPECT_THAT(Lines(), ElementsAre("b", HasSubstr("1 line of this attempt's log left out"),
                                   HasSubstr("attempt 1 lost: the worker fell silent")));
}

TEST_F(WorkerLinesTest, NoAttemptKeepsMoreThanAThousandLinesAndNoMessageMoreThanTwoHundred) {
  Begin();
  Beat(std::vector<std::string>(500, "x"), 0);
  EXPECT_EQ(Lines().size(), 200u);
  for (int64_t first = 500; first < 3000; first += 100) Beat(std::vector<std::string>(100, "x"), first);
  EXPECT_EQ(Lines().size(), static_cast<size_t>(kThousand));
  ASSERT_TRUE(Report({}, 3000).status.ok());
  const std::vector<std::string> lines = Lines();
  EXPECT_THAT(lines[lines.size() - 2], HasSubstr("2000 lines of this attempt's log left out"));
}

TEST_F(WorkerLinesTest, AfterARestartLinesGoOnWhereTheyAre) {
  Begin();
  Beat({"a", "b"}, 0);
  harness_.Restart();
  Beat({"c"}, 2);
  Beat({"c", "d"}, 2);
  ASSERT_TRUE(Report({}, 4).status.ok());
  EXPECT_THAT(Lines(), ElementsAre("a", "b", "c", "d", HasSubstr("attempt 1 succeeded")));
  EXPECT_EQ(harness_.run(run_).logs.back().attempt, 0) << "the run has succeeded";
}

TEST_F(WorkerLinesTest, ASecondAttemptsLinesAreItsOwn) {
  Begin();
  Beat({"a"}, 0);
  ASSERT_TRUE(harness_.Fail(worker_, lease_, FailureCause::kInfrastructure).ok());
  std::optional<Lease> again = harness_.LeaseTo(worker_);
  while (!again.has_value()) {
    harness_.Advance(1000);
    again = harness_.LeaseTo(worker_);
  }
  lease_ = *again;
  Beat({"b"}, 0);
  EXPECT_EQ(harness_.run(run_).logs.back().text, "b");
  EXPECT_EQ(harness_.run(run_).logs.back().attempt, 2);
}

TEST_F(WorkerLinesTest, TheProcessSaysOnceWhatConcernsManyRunsAndNotWhatWorkersSay) {
  Begin();
  const RunId other = harness_.Submit(NoopSpec(1));
  Beat({"of the worker"}, 0);
  const Effects effects = Report({}, 1);
  std::vector<LogEcho> echoes;
  for (const Change& change : effects.changes) {
    const auto* line = std::get_if<AppendLog>(&change);
    if (line == nullptr || line->line.task.empty()) continue;
    echoes.push_back(line->echo);
    EXPECT_EQ(line->task, lease_.task);
  }
  EXPECT_THAT(echoes, ElementsAre(LogEcho::kDetail, LogEcho::kNone));
  EXPECT_EQ(harness_.run(other).logs.size(), harness_.run(run_).logs.size());
}

TEST_F(WorkerLinesTest, ALeaseNamesTheRunItsTraceAndHowLongItWaited) {
  worker_ = harness_.Register("a");
  SubmitRun submission = harness_.Prepared(NoopSpec(2));
  submission.trace = {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00f067aa0ba902b7"};
  const int64_t submitted = harness_.now().unix_ms;
  run_ = std::get<RunReply>(harness_.Do(submission).reply).run;
  harness_.Advance(1500);
  lease_ = *harness_.LeaseTo(worker_);
  EXPECT_EQ(lease_.run, run_);
  EXPECT_EQ(lease_.traceparent, submission.trace.traceparent);
  EXPECT_EQ(lease_.ready_unix_ms, submitted);
  EXPECT_EQ(lease_.leased_unix_ms, submitted + 1500);
  ASSERT_TRUE(harness_.Succeed(worker_, lease_).ok());
  harness_.Restart();
  EXPECT_EQ(harness_.run(run_).record.trace, submission.trace);
  EXPECT_EQ(harness_.LeaseTo(worker_)->traceparent, submission.trace.traceparent);
}

}  // namespace
}  // namespace lwq::coordinator
