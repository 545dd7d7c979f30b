// SPDX-License-Identifier: Apache-2.0
// Every state × every event has one decided outcome: the table below is the specification, and a new state or event
// makes it incomplete.
#include "coordinator/scheduler/state/task_machine.h"

#include <set>

#include "coordinator/scheduler/state/retry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

using ::testing::HasSubstr;

const Digest kAction = DigestOf("action");
const Digest kOtherAction = DigestOf("other action");

TaskRecord TaskIn(TaskState state) {
  TaskRecord task;
  task.key = DigestOf("task");
  task.def = std::make_shared<const TaskDef>();
  task.state = state;
  task.divergence_retries = 2;
  if (state != TaskState::kBlocked) {
    task.action_key = kAction;
    task.token = 3;
    task.attempts = 3;
    task.worker.value = "w-1";
    task.worker_name = "one";
  }
  if (state == TaskState::kReady) task.reported_token = 2;
  if (state == TaskState::kSucceeded || state == TaskState::kFailed) task.reported_token = 3;
  return task;
}

// What an event does: the next state, "same" (no change), "stale" (ABORTED) or "illegal" (FAILED_PRECONDITION).
std::string Outcome(TaskState state, const TaskEvent& event) {
  const TaskRecord task = TaskIn(state);
  const StatusOr<TaskStep> step = NextTask(task, event);
  if (absl::IsAborted(step.status())) return "stale";
  if (absl::IsFailedPrecondition(step.status())) return "illegal";
  LWQ_CHECK(step.ok(), step.status().ToString());
  if (!step->changed) {
    EXPECT_EQ(step->task.state, state);
    EXPECT_EQ(step->task.token, task.token);
    return "same";
  }
  return std::string(TaskStateName(step->task.state));
}

struct Row {
  const char* name;
  TaskEvent event;
  // BLOCKED, READY, LEASED, SUCCEEDED, FAILED, CANCELLED
  const char* outcomes[kTaskStates];
};

const Row kTable[] = {
    {"Unblocked", Unblocked{kAction}, {"READY", "same", "illegal", "illegal", "illegal", "illegal"}},
    {"UnblockedOther", Unblocked{kOtherAction}, {"READY", "illegal", "illegal", "illegal", "illegal", "illegal"}},
    {"Remembered", Remembered{kAction}, {"SUCCEEDED", "illegal", "illegal", "same", "illegal", "illegal"}},
    {"RememberedOther", Remembered{kOtherAction}, {"SUCCEEDED", "illegal", "illegal", "illegal", "illegal", "illegal"}},
    {"Leased", Leased{{"w-2"}, "two"}, {"illegal", "LEASED", "illegal", "illegal", "illegal", "illegal"}},
    {"Duplicated", Duplicated{{"w-2"}, "two"}, {"illegal", "illegal", "LEASED", "illegal", "illegal", "illegal"}},
    {"SucceededCurrent", Succeeded{3}, {"stale", "stale", "SUCCEEDED", "same", "same", "stale"}},
    {"SucceededOld", Succeeded{1}, {"stale", "stale", "stale", "stale", "stale", "stale"}},
    {"SucceededLastReported", Succeeded{2}, {"stale", "same", "stale", "stale", "stale", "stale"}},
    {"SucceededFuture", Succeeded{4}, {"stale", "stale", "stale", "stale", "stale", "stale"}},
    {"SucceededZero", Succeeded{0}, {"stale", "stale", "stale", "stale", "stale", "stale"}},
    {"FailedTask", Failed{3, FailureCause::kTask, "m"}, {"stale", "stale", "FAILED", "same", "same", "stale"}},
    {"FailedDiverged", Failed{3, FailureCause::kDiverged, "m"}, {"stale", "stale", "BLOCKED", "same", "same", "stale"}},
    {"FailedMemory", Failed{3, FailureCause::kMemory, "m"}, {"stale", "stale", "READY", "same", "same", "stale"}},
    {"FailedInfra",
     Failed{3, FailureCause::kInfrastructure, "m"},
     {"stale", "stale", "READY", "same", "same", "stale"}},
    {"FailedInput", Failed{3, FailureCause::kInputLost, "m"}, {"stale", "stale", "BLOCKED", "same", "same", "stale"}},
    {"FailedDevice",
     Failed{3, FailureCause::kDevice, "m", {"one"}},
     {"stale", "stale", "READY", "same", "same", "stale"}},
    {"FailedOld", Failed{1, FailureCause::kTask, "m"}, {"stale", "stale", "stale", "stale", "stale", "stale"}},
    {"Released", Released{3}, {"stale", "stale", "READY", "same", "same", "stale"}},
    {"LeaseLost", LeaseLost{}, {"illegal", "illegal", "READY", "illegal", "illegal", "illegal"}},
    {"OutputLost", OutputLost{}, {"same", "same", "same", "BLOCKED", "illegal", "illegal"}},
    {"InputGone", InputGone{}, {"same", "BLOCKED", "same", "same", "same", "same"}},
    {"Unwanted", Unwanted{}, {"CANCELLED", "CANCELLED", "CANCELLED", "same", "same", "same"}},
    {"WantedAgain", WantedAgain{}, {"same", "same", "same", "same", "BLOCKED", "BLOCKED"}},
};

TEST(NextTaskTest, EveryStateAndEventHasTheDecidedOutcome) {
  std::set<size_t> covered;
  for (const Row& row : kTable) {
    covered.insert(row.event.index());
    for (int state = 0; state < kTaskStates; ++state) {
      EXPECT_EQ(Outcome(static_cast<TaskState>(state), row.event), row.outcomes[state])
          << row.name << " in " << TaskStateName(static_cast<TaskState>(state));
    }
  }
  EXPECT_EQ(covered.size(), std::variant_size_v<TaskEvent>) << "an event has no row";
}

TaskRecord After(const TaskRecord& task, const TaskEvent& event) {
  StatusOr<TaskStep> step = NextTask(task, event);
  LWQ_CHECK(step.ok(), step.status().ToString());
  return step->task;
}

TEST(NextTaskTest, EachLeaseHasALargerTokenAndIsAnAttempt) {
  TaskRecord task = After(TaskIn(TaskState::kBlocked), Unblocked{kAction});
  for (uint64_t lease = 1; lease <= 4; ++lease) {
    task = After(task, Leased{{"w-1"}, "one"});
    EXPECT_EQ(task.token, lease);
    EXPECT_EQ(task.attempts, static_cast<int>(lease));
    task = After(task, LeaseLost{});
  }
}

TEST(NextTaskTest, AReleasedLeaseSpendsNoAttemptButItsTokenIsNeverReused) {
  TaskRecord task = After(TaskIn(TaskState::kBlocked), Unblocked{kAction});
  task = After(task, Leased{{"w-1"}, "one"});
  task = After(task, Released{1});
  EXPECT_EQ(task.attempts, 0);
  task = After(task, Leased{{"w-1"}, "one"});
  EXPECT_EQ(task.attempts, 1);
  EXPECT_EQ(task.token, 2u);
}

TEST(NextTaskTest, SuccessAfterAnExpiredLeaseIsStaleEvenBeforeTheNextLease) {
  TaskRecord task = After(TaskIn(TaskState::kLeased), LeaseLost{});
  const StatusOr<TaskStep> late = NextTask(task, Succeeded{3});
  EXPECT_EQ(late.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(MessageOf(late.status())),
              HasSubstr("lease token 3 is stale, the task is READY; drop the result"));
}

TEST(NextTaskTest, StaleReportsNameTheHolder) {
  const StatusOr<TaskStep> late = NextTask(TaskIn(TaskState::kLeased), Succeeded{2});
  EXPECT_THAT(std::string(MessageOf(late.status())), HasSubstr("lease token 2 is stale, current is 3 of one"));
}

TEST(NextTaskTest, DivergedHalvesTheLearningRateUntilTheRecipesRetriesAreSpent) {
  TaskRecord task = TaskIn(TaskState::kLeased);
  task.divergence_retries = 2;
  for (int halvings = 1; halvings <= 2; ++halvings) {
    task = After(task, Failed{task.token, FailureCause::kDiverged, "loss is nan"});
    EXPECT_EQ(task.state, TaskState::kBlocked);
    EXPECT_EQ(task.lr_halvings, halvings);
    EXPECT_TRUE(task.action_key.is_zero()) << "half the rates are another action";
    task = After(task, Unblocked{kAction});
    task = After(task, Leased{{"w-1"}, "one"});
  }
  task = After(task, Failed{task.token, FailureCause::kDiverged, "loss is nan"});
  EXPECT_EQ(task.state, TaskState::kFailed);
  EXPECT_EQ(task.error, "loss is nan (3 times)");
}

TEST(NextTaskTest, WantedAgainForgetsOldFailuresButNotTokens) {
  TaskRecord task = TaskIn(TaskState::kFailed);
  task.failures = {1, 2, 3, 4, 5, 6};
  task.lr_halvings = 2;
  task.error = "old";
  task = After(task, WantedAgain{});
  EXPECT_EQ(task.failures, (std::array<int, kFailureCauses>{}));
  EXPECT_EQ(task.lr_halvings, 0);
  EXPECT_EQ(task.attempts, 0);
  EXPECT_EQ(task.error, "");
  EXPECT_EQ(task.token, 3u);
}

TEST(NextTaskTest, LostWorkersDoNotUseUpTheTriesOfRealFailures) {
  TaskRecord task = TaskIn(TaskState::kLeased);
  for (int i = 0; i < 10; ++i) {
    task = After(task, LeaseLost{});
    task = After(task, Leased{{"w-1"}, "one"});
  }
  task = After(task, Failed{task.token, FailureCause::kInfrastructure, "disk"});
  EXPECT_EQ(task.state, TaskState::kReady);
}

struct RetryRow {
  FailureCause cause;
  int retries;
  RetryAction action;
  std::vector<int64_t> delays_ms;  // of the first failures
};

TEST(DecideRetryTest, EachRowOfTheTableHolds) {
  const RetryRow kRows[] = {
      {FailureCause::kTask, 0, RetryAction::kGiveUp, {}},
      {FailureCause::kDiverged, 3, RetryAction::kHalvedLearningRate, {0, 0, 0}},
      {FailureCause::kMemory, 2, RetryAction::kAgain, {1000, 2000}},
      {FailureCause::kInfrastructure, 5, RetryAction::kAgain, {500, 1000, 2000, 4000, 8000}},
      {FailureCause::kInputLost, 7, RetryAction::kAfterInput, {0, 0, 0, 0, 0}},
      {FailureCause::kLeaseLost, 16, RetryAction::kAgain, {0, 0, 0, 0}},
      {FailureCause::kDevice, 2, RetryAction::kAgain, {1000, 2000}},
  };
  ASSERT_EQ(std::size(kRows), static_cast<size_t>(kFailureCauses)) << "a cause has no row";
  for (const RetryRow& row : kRows) {
    for (int failures = 1; failures <= row.retries + 2; ++failures) {
      const RetryDecision decision = DecideRetry(row.cause, failures, 1, {.divergence_retries = 3, .inputs = 2});
      const bool again = failures <= row.retries;
      EXPECT_EQ(decision.action, again ? row.action : RetryAction::kGiveUp) << FailureCauseName(row.cause) << failures;
      if (again && static_cast<size_t>(failures) <= row.delays_ms.size()) {
        EXPECT_EQ(decision.delay_ms, row.delays_ms[static_cast<size_t>(failures - 1)]) << FailureCauseName(row.cause);
      }
    }
  }
}

TEST(DecideRetryTest, DelaysStayBoundedHoweverManyFailures) {
  EXPECT_EQ(DecideRetry(FailureCause::kLeaseLost, 16, 1, {}).delay_ms, 0);
  EXPECT_LE(DecideRetry(FailureCause::kInfrastructure, 5, 1, {}).delay_ms, 8000);
}

}  // namespace
}  // namespace lwq::coordinator
