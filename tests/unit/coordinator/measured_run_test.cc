// SPDX-License-Identifier: Apache-2.0
// What an evaluation reports is the run's, on the wire and in the report, whatever its metrics are called.
#include "coordinator/service/convert_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reporting/report.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::ElementsAre;
using testing::SchedulerHarness;

// Ends the run; its evaluations report `metrics`.
RunId Finish(SchedulerHarness& harness, const std::string& metrics) {
  const WorkerId worker = harness.Register("a");
  const RunId id = harness.Submit(BlockApSpec(1));
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    ReportTask report;
    report.worker = worker;
    report.task = lease->task;
    report.token = lease->token;
    ReportSuccess success = testing::HonestSuccess(*lease);
    if (lease->def->kind == TaskKind::kReducePpl) success.metrics_json = metrics;
    report.outcome = std::move(success);
    LWQ_CHECK(harness.Do(report).status.ok(), lease->title);
  }
  return id;
}

wire::Run Sent(const SchedulerHarness& harness, const RunId& id) {
  wire::Run run;
  RunToWire(harness.state(), harness.run(id), harness.now(), /*with_tasks=*/true, &run);
  return run;
}

TEST(MeasuredRunTest, EveryMetricOfAnEvaluationReachesTheReport) {
  SchedulerHarness harness;
  const RunId id = Finish(harness, R"({"measured":[{"metric":"perplexity","value":2.5,"count":100},)"
                                   R"({"metric":"accuracy","value":0.75,"standard_error":0.125,"count":12}]})");
  const std::vector<Measured>& measured = harness.run(id).record.result.measured;
  ASSERT_EQ(harness.run(id).record.state, RunState::kSucceeded) << harness.run(id).record.error;
  ASSERT_EQ(measured.size(), 4u) << "two of the full-precision model and two of the run's";
  EXPECT_EQ(measured[1], (Measured{"fp", "held-out", "accuracy", 0.75, 0.125, 12, true}));
  EXPECT_EQ(measured[2], (Measured{"block_ap", "held-out", "perplexity", 2.5, std::nullopt, 100, true}));

  const std::string sent = Sent(harness, id).DebugString();
  harness.Restart();
  const wire::Run run = Sent(harness, id);
  EXPECT_EQ(run.DebugString(), sent) << "from its stored record";
  ASSERT_EQ(run.measured_size(), 4);
  EXPECT_FALSE(run.measured(2).has_standard_error());

  const reporting::Report report = reporting::BuildReport({run}, 0);
  const reporting::ReportColumn accuracy{"accuracy", "held-out"};
  EXPECT_THAT(report.columns, ElementsAre(reporting::ReportColumn{"perplexity", "held-out"}, accuracy));
  const reporting::ReportValue* value = ValueIn(report.rows.back(), accuracy);
  ASSERT_NE(value, nullptr);
  EXPECT_EQ(value->value, 0.75);
  EXPECT_EQ(value->standard_error, 0.125);
  EXPECT_EQ(value->count, 12);
  EXPECT_EQ(value->full_precision, 0.75);
}

TEST(MeasuredRunTest, AWorkerOfTheVersionBeforeReportsAPerplexity) {
  SchedulerHarness harness;
  const RunId id = Finish(harness, R"({"nll_sum":1.5,"perplexity":2.25,"tokens":64,"windows":2})");
  const wire::Run run = Sent(harness, id);
  ASSERT_EQ(run.measured_size(), 2);
  EXPECT_EQ(run.measured(1).subject(), "block_ap");
  EXPECT_EQ(run.measured(1).metric(), "perplexity");
  EXPECT_EQ(run.measured(1).value(), 2.25);
  EXPECT_EQ(run.measured(1).count(), 64);
}

}  // namespace
}  // namespace lwq::coordinator
