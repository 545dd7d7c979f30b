// SPDX-License-Identifier: Apache-2.0
// What a watcher of changes puts together is what a reader of the whole run is told, whatever happens to the run.
#include "client/rpc/take_changes.h"
#include "coordinator/service/convert_run.h"
#include "coordinator/service/watch_messages.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/manual_clock.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::SchedulerHarness;

class Watcher {
 public:
  Watcher(const SchedulerHarness& harness, const RunId& id) : harness_(harness), id_(id) {
    RunToWire(harness_.state(), run(), harness_.now(), /*with_tasks=*/true, &seen_);
    revision_ = run().revision;
  }

  // "" or how what was put together differs.
  std::string Look() {
    wire::WatchRunResponse message;
    ChangesToWire(harness_.state(), run(), harness_.now(), revision_, &message);
    revision_ = run().revision;
    tasks_ += message.run().tasks_size();
    client::TakeChanges(message, &seen_);
    wire::Run whole;
    RunToWire(harness_.state(), run(), harness_.now(), /*with_tasks=*/true, &whole);
    google::protobuf::util::MessageDifferencer differencer;
    std::string difference;
    differencer.ReportDifferencesToString(&difference);
    return differencer.Compare(whole, seen_) ? "" : difference;
  }

  const RunEntry& run() const { return harness_.run(id_); }
  int tasks() const { return tasks_; }

 private:
  const SchedulerHarness& harness_;
  const RunId id_;
  wire::Run seen_;
  uint64_t revision_ = 0;
  int tasks_ = 0;
};

RunSpec Growing() {
  RunSpec spec = BlockApSpec(3);
  spec.recipe.use_adaptive_training = true;
  spec.recipe.sensitivity_samples = 2;
  return spec;
}

TEST(WatchChangesTest, ChangesAddUpToTheWholeRun) {
  for (const RunSpec& spec : {BlockApSpec(3), Growing()}) {
    SchedulerHarness harness;
    const RunId id = harness.Submit(spec);
    Watcher watcher(harness, id);
    EXPECT_EQ(watcher.Look(), "") << "pending";
    const WorkerId worker = harness.Register("a");
    EXPECT_EQ(watcher.Look(), "") << "pinned, and planned for";
    for (int step = 0; !IsTerminal(watcher.run().record.state); ++step) {
      ASSERT_LT(step, 1000);
      const std::optional<Lease> lease = harness.LeaseTo(worker);
      if (!lease.has_value()) {
        harness.Advance(1000);  // a task that failed waits
        continue;
      }
      ASSERT_EQ(watcher.Look(), "") << lease->title;
      harness.Beat(worker, {*lease});
      ASSERT_EQ(watcher.Look(), "") << lease->title;
      if (step % 7 == 3) {
        ASSERT_TRUE(harness.Fail(worker, *lease, FailureCause::kInfrastructure).ok());
      } else {
        ASSERT_TRUE(harness.Succeed(worker, *lease).ok());
      }
      ASSERT_EQ(watcher.Look(), "") << lease->title;
    }
    EXPECT_EQ(watcher.run().record.state, RunState::kSucceeded);
  }
}

TEST(WatchChangesTest, ACancelledRunShowsItsTasksCancelled) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId id = harness.Submit(BlockApSpec(3));
  Watcher watcher(harness, id);
  ASSERT_TRUE(harness.LeaseTo(worker).has_value());
  harness.Do(CancelRun{id.value});
  EXPECT_EQ(watcher.Look(), "");
}

TEST(WatchChangesTest, ATaskThatDidNotChangeIsNotSentAgain) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId id = harness.Submit(BlockApSpec(8));
  Watcher watcher(harness, id);
  const std::optional<Lease> lease = harness.LeaseTo(worker);
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(watcher.Look(), "");
  EXPECT_EQ(watcher.tasks(), 1) << "the task that was leased";
}

TEST(WatchMessagesTest, WhoKnowsTheSameOfARunIsSentOneMessage) {
  testing::ManualClock clock;
  const auto runtime = Runtime::Start({}, std::make_unique<MemoryStore>(), &clock);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  WatchMessages messages(runtime->get());
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId id = harness.Submit(BlockApSpec(3));
  const auto whole = [&] { return messages.Whole(harness.state(), harness.run(id), harness.now()); };
  const auto changes = [&](uint64_t since) {
    return messages.Changes(harness.state(), harness.run(id), harness.now(), since).message;
  };
  const WatchMessages::UpTo first = whole();
  EXPECT_EQ(first.revision, harness.run(id).revision);
  EXPECT_EQ(first.message->run().tasks_size(), static_cast<int>(harness.run(id).tasks.size()));
  ASSERT_TRUE(harness.LeaseTo(worker).has_value());
  EXPECT_EQ(whole().message, first.message) << "a moment later it is as good";
  EXPECT_EQ(whole().revision, first.revision) << "what follows is told by changes since then";
  const WatchMessages::Message change = changes(first.revision);
  EXPECT_TRUE(change->is_change());
  EXPECT_EQ(change->run().tasks_size(), 1);
  EXPECT_EQ(changes(first.revision), change);
  harness.Advance(1);
  EXPECT_NE(changes(first.revision), change) << "seconds of tasks that are executed go on";
  harness.Advance(20);
  const WatchMessages::UpTo later = whole();
  EXPECT_NE(later.message, first.message);
  harness.Do(CancelRun{id.value});
  EXPECT_EQ(whole().message->run().state(), wire::RUN_STATE_CANCELLED) << "how a run is is never old";
}

}  // namespace
}  // namespace lwq::coordinator
