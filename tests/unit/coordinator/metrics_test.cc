// SPDX-License-Identifier: Apache-2.0
// What metrics say of a state and of what happens, and what an audit line holds.
#include <set>

#include "coordinator/access/audit_line.h"
#include "coordinator/metrics/census.h"
#include "coordinator/metrics/coordinator_metrics.h"
#include "coordinator/store/memory_store.h"
#include "coordinator/store/observed_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::NoopSpec;
using ::testing::Not;
using ::testing::Pair;
using testing::SchedulerHarness;
using testing::WorkerNamed;

constexpr char kClass[] = "cpu|avx512|torch";

std::string Page(const std::vector<prometheus::MetricFamily>& families) {
  return prometheus::TextSerializer().Serialize(families);
}

TEST(CensusTest, WhatWaitsIsCountedByClassAndReasonAndWhatIsLeasedByClass) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register(WorkerNamed("a"));
  harness.Submit(NoopSpec(5));
  ASSERT_TRUE(harness.LeaseTo(worker).has_value());
  Census census = TakeCensus(harness.state(), harness.now().steady_ms + 1500);
  ASSERT_EQ(census.ready.size(), 1U);
  EXPECT_EQ(census.ready.begin()->first.second, "workers_busy");
  EXPECT_EQ(census.ready.begin()->second, 4);
  EXPECT_THAT(census.leased, ElementsAre(Pair(kClass, 1)));
  EXPECT_THAT(census.silent_ms, ElementsAre(Pair(kClass, 1500)));
  EXPECT_THAT(census.workers, ElementsAre(Pair(Pair(kClass, "trusted"), 1)));
  EXPECT_EQ(census.tasks, 5);

  // Its worker may do nothing for the project any more.
  WorkerRecord of_b = WorkerNamed("a");
  of_b.projects = ProjectScope::Of({"b"});
  harness.Register(of_b);
  census = TakeCensus(harness.state(), harness.now().steady_ms);
  ASSERT_EQ(census.ready.size(), 1U);
  EXPECT_EQ(census.ready.begin()->first.second, "no_worker");
}

TEST(CensusTest, ManyClassesAreFewSeries) {
  SchedulerHarness harness;
  for (int i = 0; i < 100; ++i) {
    harness.Register(WorkerNamed(absl::StrCat("w", i), absl::StrCat("cpu-", i, "|avx512|torch")));
  }
  const Census census = TakeCensus(harness.state(), harness.now().steady_ms);
  EXPECT_EQ(census.workers.size(), kMaxClasses + 1);
  EXPECT_EQ(census.workers.at({"other", "trusted"}), 100 - static_cast<int64_t>(kMaxClasses));
  EXPECT_THAT(Page(FamiliesOf(census)), HasSubstr("lwq_workers{class=\"other\",standing=\"trusted\"} 68\n"));
}

TEST(CoordinatorMetricsTest, CallsTasksAndCommitsAreCountedUnderTheNamesOfTheManual) {
  CoordinatorMetrics metrics("1.2.3");
  metrics.SetStoreOpen(true);
  metrics.CallEnded(&RuleOf(Rpc::kGetRun), 5, 0.002);
  metrics.CallEnded(nullptr, 0, 0.1);
  metrics.TaskEnded(TaskKind::kNoop, CoordinatorMetrics::Outcome::kExecuted, 2.5, 100, 7);
  metrics.TaskEnded(TaskKind::kNoop, CoordinatorMetrics::Outcome::kFoundDone, 0, 100, 0);
  metrics.TaskFailed(TaskKind::kNoop, FailureCause::kMemory, 1);
  metrics.Committed(0.0002, 12, true);
  const std::string page = Page(metrics.registry()->Collect());
  EXPECT_THAT(page, AllOf(HasSubstr("lwq_rpc_total{code=\"NOT_FOUND\",method=\"GetRun\"} 1"),
                          HasSubstr("lwq_rpc_total{code=\"OK\",method=\"other\"} 1"),
                          HasSubstr("lwq_rpc_seconds_bucket{method=\"GetRun\",le=\"0.003\"} 1"),
                          HasSubstr("lwq_build_info{version=\"1.2.3\"} 1")));
  EXPECT_THAT(page, AllOf(HasSubstr("lwq_task_results_total{kind=\"noop\",outcome=\"executed\"} 1"),
                          HasSubstr("lwq_task_results_total{kind=\"noop\",outcome=\"found_done\"} 1"),
                          HasSubstr("lwq_task_failures_total{cause=\"MEMORY\",kind=\"noop\"} 1"),
                          HasSubstr("lwq_task_duration_seconds_count{kind=\"noop\"} 2"),
                          HasSubstr("lwq_task_output_bytes_total{kind=\"noop\"} 100"),
                          HasSubstr("lwq_task_peak_memory_bytes{kind=\"noop\"} 7")));
  EXPECT_THAT(page, AllOf(HasSubstr("lwq_committed_changes_total 12"), HasSubstr("lwq_commit_seconds_count 1"),
                          HasSubstr("lwq_store_open 1")));
  metrics.Committed(0.1, 1, false);
  EXPECT_THAT(Page(metrics.registry()->Collect()),
              AllOf(HasSubstr("lwq_commit_failures_total 1"), HasSubstr("lwq_store_open 0")));
}

TEST(ObservedStoreTest, EveryCommitIsToldAndWhetherItWasOne) {
  std::vector<std::pair<size_t, bool>> told;
  const auto store = ObserveCommits(std::make_unique<MemoryStore>(),
                                    [&](double, size_t changes, bool ok) { told.emplace_back(changes, ok); });
  const Term term = *store->TakeTerm();
  const std::vector<Change> changes = {PutNextWorker{3}};
  EXPECT_TRUE(store->Commit(term, changes).ok());
  EXPECT_FALSE(store->Commit(Term{term.number + 1}, {}).ok());
  EXPECT_THAT(told, ElementsAre(Pair(1, true), Pair(0, false)));
}

TEST(AuditLineTest, ALineIsOneJsonObjectWithoutSecretsOrLineBreaks) {
  AuditEntry entry;
  entry.unix_ms = 1'800'000'000'123;
  entry.who = "ci";
  entry.token = "3f2a9c1e77b0";
  entry.peer = "ipv4:10.0.0.7:51212";
  entry.method = "RunService/CancelRun";
  entry.which = {{"run_id", "x\n{\"forged\": 1}"}, {"name", "lwq_" + std::string(43, 'x')}};
  entry.result = "PERMISSION_DENIED";
  entry.message = "no";
  EXPECT_EQ(
      AuditLine(entry),
      R"({"message":"no","method":"RunService/CancelRun","peer":"ipv4:10.0.0.7:51212","result":"PERMISSION_DENIED",)"
      R"("time":"2027-01-15T08:00:00.123Z","token":"3f2a9c1e77b0",)"
      R"("which":{"name":"lwq_[redacted]","run_id":"x {\"forged\": 1}"},"who":"ci"})"
      "\n");
}

}  // namespace
}  // namespace lwq::coordinator
