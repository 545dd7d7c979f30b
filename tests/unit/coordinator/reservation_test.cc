// SPDX-License-Identifier: Apache-2.0
// Tasks that fit few workers beside tasks that fit all: neither waits for the other without need.
#include "coordinator/scheduler/choose/task_choice.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/devices.h"

namespace lwq::coordinator {
namespace {

using testing::kA10040;
using testing::kL4;
using testing::LargeSpec;
using testing::NoopSpec;
using testing::SchedulerHarness;
using testing::WorkerOn;

constexpr int64_t kMinuteMs = 60'000;

SchedulerOptions Silent() {
  SchedulerOptions options;
  options.lease_ms = int64_t{1} << 40;
  options.straggler_factor = 0;
  return options;
}

// A training, and a step of its chain, that only the large worker fits wait; small tasks, which fit all, come with
// another priority.
class ReservationTest : public ::testing::Test {
 protected:
  explicit ReservationTest(const SchedulerOptions& options = Silent()) : harness_(options) {
    large_ = harness_.Register(WorkerOn(kA10040, "large"));
    RunSpec spec = LargeSpec();
    spec.recipe.eval_ppl = false;  // nothing that fits others
    harness_.Submit(spec);
    training_ = harness_.RunUntil(large_, "train block 0");
    LWQ_CHECK(harness_.Release(large_, training_).ok());
  }
  void SubmitSmall(int priority) {
    RunSpec small = NoopSpec(200);
    small.priority = priority;
    harness_.Submit(small);
  }
  // Executes what it is given for a minute; whether that was one of those.
  bool MinuteOnLarge() {
    const Lease lease = *harness_.LeaseTo(large_);
    harness_.Advance(kMinuteMs);
    LWQ_CHECK(harness_.Succeed(large_, lease).ok());
    return lease.def->kind != TaskKind::kNoop;
  }

  SchedulerHarness harness_;
  WorkerId large_;
  Lease training_;
};

TEST_F(ReservationTest, AWorkerThatTheMostUrgentTaskDoesNotFitTakesSmallerOnesAndDelaysIt) {
  SubmitSmall(-5);
  const WorkerId little = harness_.Register(WorkerOn(kL4, "little"));
  EXPECT_EQ(harness_.LeaseTo(little)->def->kind, TaskKind::kNoop);
  EXPECT_EQ(harness_.LeaseTo(large_)->task, training_.task) << "at once";
}

TEST_F(ReservationTest, MoreUrgentTasksThatFitOthersDoNotKeepATaskFromTheOnlyWorkerItFitsForEver) {
  SubmitSmall(10);
  harness_.Register(WorkerOn(kL4, "little"));
  int minutes = 0;
  while (!MinuteOnLarge()) ASSERT_LT(++minutes, 30);
  EXPECT_EQ(minutes, 10) << "patience";
  // Then the urgent ones have their turn again for as long.
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(MinuteOnLarge()) << i;
}

TEST_F(ReservationTest, WhatFitsNoOtherWorkerGoesByItsPriority) {
  SubmitSmall(10);
  for (int minute = 0; minute < 60; ++minute) ASSERT_FALSE(MinuteOnLarge()) << minute;
}

TEST(UnservedSinceTest, ADemandCountsFromWhenItBeganToWaitOrWasServedLast) {
  ReadyQueue queue;
  const WorkerRecord worker = WorkerOn(kA10040, "large");
  const ReadyQueue::Order all{[](const std::string&) { return std::optional<double>(0); },
                              [](const Digest&) { return false; }};
  const Demand small{"", TaskKind::kNoop, 1}, large{"", TaskKind::kTrainBlock, 2};
  const auto unserved = [&](int64_t since_ms) {
    std::vector<int64_t> bytes;
    for (const auto& one : queue.UnservedSince(worker, since_ms, all)) bytes.push_back(one.demand->memory_bytes);
    return bytes;
  };
  queue.Insert({small, "", {.position = 1}}, DigestOf("small"), 100);
  queue.Insert({large, "", {.position = 2}}, DigestOf("large"), 200);
  queue.Insert({small, "", {.position = 3}}, DigestOf("more"), 300);
  EXPECT_EQ(unserved(99), std::vector<int64_t>());
  EXPECT_EQ(unserved(100), std::vector<int64_t>({1})) << "more of it does not make it younger";
  EXPECT_EQ(unserved(200), std::vector<int64_t>({1, 2})) << "longest first";
  queue.NoteServed(small, 400);
  EXPECT_EQ(unserved(399), std::vector<int64_t>({2}));
  EXPECT_EQ(unserved(400), std::vector<int64_t>({2, 1}));
}

}  // namespace
}  // namespace lwq::coordinator
