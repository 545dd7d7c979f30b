// SPDX-License-Identifier: Apache-2.0
// What a task's progress says to its log, and what its lease is in a trace.
#include "worker/daemon/task_trace.h"

#include <limits>

#include "common/trace/trace_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/daemon/task_phases.h"

namespace lwq::worker {
namespace {

namespace pb = lwqat::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kBegin = 1'800'000'000 * kSecond;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(TaskPhasesTest, APhaseEndsWithItsStageOrWhenItsStepsBeginAgainAndIsToldIfItTookASecond) {
  TaskPhases phases;
  EXPECT_EQ(phases.OnProgress({"train", 1, 4, 0.5}, kBegin), std::nullopt);
  EXPECT_EQ(phases.OnProgress({"train", 4, 4, 0.25}, kBegin + 3 * kSecond), std::nullopt);
  EXPECT_EQ(phases.OnProgress({"validate", 1, 2, kNaN}, kBegin + 4 * kSecond),
            "train took 3.00 s, to step 4 of 4, loss 0.25");
  EXPECT_EQ(phases.OnProgress({"validate", 2, 2, kNaN}, kBegin + 4 * kSecond + 1), std::nullopt);
  EXPECT_EQ(phases.OnProgress({"validate", 1, 2, kNaN}, kBegin + 5 * kSecond), "validate took 1.00 s, to step 2 of 2");
  EXPECT_EQ(phases.End(), std::nullopt) << "it took less";
  EXPECT_EQ(phases.End(), std::nullopt);
  ASSERT_EQ(phases.phases().size(), 3u);
  EXPECT_EQ(phases.phases()[1].begin_unix_ns, phases.phases()[0].end_unix_ns);
  EXPECT_EQ(phases.phases()[1].end_unix_ns, kBegin + 4 * kSecond + 1);
  EXPECT_EQ(phases.phases()[0].step, 4);
}

TEST(TaskPhasesTest, ALongPhaseSaysHowFarItIsAndLessOftenTheLongerTheTaskTakes) {
  TaskPhases phases;
  std::vector<std::string> told;
  int64_t lines_of_a_day = 0;
  for (int64_t step = 1; step <= 24 * 3600; ++step) {
    const auto line = phases.OnProgress({"train", step, 100'000, 0.5}, kBegin + step * kSecond);
    if (!line.has_value()) continue;
    ++lines_of_a_day;
    if (told.size() < 2) told.push_back(*line);
  }
  EXPECT_THAT(told, ElementsAre("train: step 31 of 100000, loss 0.5", "train: step 61 of 100000, loss 0.5"));
  EXPECT_LT(lines_of_a_day, 300);
}

TEST(TaskPhasesTest, OfVeryManyPhasesTheFirstAreKeptAndTheOthersCounted) {
  TaskPhases phases;
  for (int i = 0; i < 200; ++i) {
    phases.OnProgress({"train", 1, 1, 0.5}, kBegin);
    phases.OnProgress({"validate", 1, 1, kNaN}, kBegin);
  }
  phases.End();
  EXPECT_EQ(phases.phases().size(), TaskPhases::kMaxPhases);
  EXPECT_EQ(phases.left_out(), 400 - static_cast<int64_t>(TaskPhases::kMaxPhases));
}

pb::Lease LeaseWith(const std::string& traceparent) {
  pb::Lease lease;
  lease.set_run_id("0123456789ab");
  lease.set_task_key(std::string(64, 'f'));
  lease.set_token(7);
  lease.set_attempt(2);
  lease.set_kind("noop");
  lease.set_traceparent(traceparent);
  return lease;
}

constexpr char kOfRun[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(TaskTraceTest, ALeaseWithoutATraceHasItsIdsAloneAndNoSpans) {
  for (const char* none : {"", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"}) {
    const pb::Lease lease = LeaseWith(none);
    EXPECT_THAT(FieldsOf(lease), ElementsAre(Pair("run", "0123456789ab"), Pair("task", "ffffffffffff"),
                                             Pair("attempt", "2"), Pair("kind", "noop")));
    EXPECT_EQ(TraceparentOf(lease), "");
    EXPECT_THAT(SpansOf(lease, {}, TaskPhases(), 1, 2), IsEmpty());
  }
}

TEST(TaskTraceTest, AnAttemptIsASpanBelowItsRunAndItsPhasesAreBelowIt) {
  const pb::Lease lease = LeaseWith(kOfRun);
  const auto context = ParseTraceparent(TraceparentOf(lease));
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_NE(context->parent_id, "b7ad6b7169203331");
  EXPECT_THAT(FieldsOf(lease),
              ::testing::IsSupersetOf({Pair("trace_id", context->trace_id), Pair("span_id", context->parent_id)}));
  TaskPhases phases;
  phases.OnProgress({"train", 1, 1, 0.5}, kBegin);
  phases.OnProgress({"validate", 1, 1, kNaN}, kBegin + 5);
  phases.End();
  pb::ReportTaskRequest report;
  report.mutable_failure()->set_cause(pb::FAILURE_CAUSE_MEMORY);
  report.mutable_failure()->set_message("out of memory");
  const std::vector<Span> spans = SpansOf(lease, report, phases, kBegin - 1, kBegin + 9);
  ASSERT_EQ(spans.size(), 3u);
  const Span& attempt = spans[2];
  EXPECT_EQ(attempt.name, "execute noop");
  EXPECT_EQ(attempt.span_id, context->parent_id);
  EXPECT_EQ(attempt.parent_id, "b7ad6b7169203331");
  EXPECT_TRUE(attempt.failed);
  EXPECT_EQ(attempt.error, "out of memory");
  EXPECT_EQ(attempt.end_unix_ns, kBegin + 9);
  for (const int i : {0, 1}) {
    EXPECT_EQ(spans[static_cast<size_t>(i)].parent_id, attempt.span_id);
    EXPECT_EQ(spans[static_cast<size_t>(i)].trace_id, attempt.trace_id);
  }
  EXPECT_EQ(spans[0].name, "train");
  EXPECT_NE(spans[0].span_id, spans[1].span_id);
  pb::Lease again = lease;
  again.set_token(8);
  EXPECT_NE(TraceparentOf(again), TraceparentOf(lease)) << "another attempt is another span";
}

TEST(TaskTraceTest, ATraceThatIsNotRecordedIsPassedOnAndSendsNoSpans) {
  const pb::Lease lease = LeaseWith("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
  EXPECT_TRUE(TraceparentOf(lease).ends_with("-00"));
  EXPECT_THAT(SpansOf(lease, {}, TaskPhases(), 1, 2), IsEmpty());
}

}  // namespace
}  // namespace lwq::worker
