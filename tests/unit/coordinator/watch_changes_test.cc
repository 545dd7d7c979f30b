// SPDX-License-Identifier: Apache-2.0
// What a watcher of changes puts together is what a reader of the whole run is told, whatever happens to the run.
#include <map>
#include <random>

#include "client/rpc/take_changes.h"
#include "coordinator/scheduler/state/run_rungs.h"
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
    do {
      wire::WatchRunResponse message;
      revision_ = ChangesToWire(harness_.state(), run(), harness_.now(), revision_, &message);
      EXPECT_EQ(message.more(), revision_ != run().revision);
      sizes_.push_back(message.run().tasks_size());
      client::TakeChanges(message, &seen_);
    } while (revision_ != run().revision);
    wire::Run whole;
    RunToWire(harness_.state(), run(), harness_.now(), /*with_tasks=*/true, &whole);
    google::protobuf::util::MessageDifferencer differencer;
    std::string difference;
    differencer.ReportDifferencesToString(&difference);
    return differencer.Compare(whole, seen_) ? "" : difference;
  }

  const RunEntry& run() const { return harness_.run(id_); }
  // Tasks in each message.
  const std::vector<int>& sizes() const { return sizes_; }

 private:
  const SchedulerHarness& harness_;
  const RunId id_;
  wire::Run seen_;
  uint64_t revision_ = 0;
  std::vector<int> sizes_;
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
  EXPECT_EQ(watcher.sizes(), std::vector({1})) << "the task that was leased";
}

TEST(WatchChangesTest, OfMoreChangesThanAMessageShowsTheEarliestComeFirst) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const int most = static_cast<int>(kMaxChangesShown);
  const RunId id = harness.Submit(testing::NoopSpec(3 * most));
  Watcher watcher(harness, id);
  for (int i = 0; i < 2 * most + 50; ++i) {
    const std::optional<Lease> lease = harness.LeaseTo(worker);
    ASSERT_TRUE(lease.has_value() && harness.Succeed(worker, *lease).ok());
  }
  EXPECT_EQ(watcher.Look(), "");
  EXPECT_EQ(watcher.sizes(), std::vector({most, most, 50}));
  harness.Do(CancelRun{id.value});
  EXPECT_EQ(watcher.Look(), "");
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
  EXPECT_EQ(first.message->content().run().tasks_size(), static_cast<int>(harness.run(id).tasks.size()));
  ASSERT_TRUE(harness.LeaseTo(worker).has_value());
  EXPECT_EQ(whole().message, first.message) << "a moment later it is as good";
  EXPECT_EQ(whole().revision, first.revision) << "what follows is told by changes since then";
  const auto change = changes(first.revision);
  EXPECT_TRUE(change->content().is_change());
  EXPECT_EQ(change->content().run().tasks_size(), 1);
  EXPECT_EQ(changes(first.revision), change);
  harness.Advance(1);
  EXPECT_NE(changes(first.revision), change) << "seconds of tasks that are executed go on";
  harness.Advance(20);
  const WatchMessages::UpTo later = whole();
  EXPECT_NE(later.message, first.message);
  harness.Do(CancelRun{id.value});
  EXPECT_EQ(whole().message->content().run().state(), wire::RUN_STATE_CANCELLED) << "how a run is is never old";
}

// A client of WatchSweep that hangs up and goes on at any time.
class SweepClient {
 public:
  SweepClient(const SchedulerHarness& harness, WatchMessages* messages, SweepId sweep)
      : harness_(harness), messages_(messages), sweep_(std::move(sweep)) {}

  // One message. How many runs came that had not changed since they came last.
  int Take() {
    const WatchMessages::SweepUpTo next = messages_->OfSweep(harness_.state(), sweep_, harness_.now(), known_);
    EXPECT_LE(next.message->content().runs_size(), static_cast<int>(WatchMessages::kRunsInMessage));
    EXPECT_EQ(next.message->content().all_again(), !known_.has_value());
    if (next.message->content().all_again()) runs_.clear();
    int repeated = 0;
    for (const wire::Run& run : next.message->content().runs()) {
      const uint64_t revision = harness_.run(RunId{run.id()}).revision;
      EXPECT_GE(revision, latest_) << "in the order of their changes";
      latest_ = revision;
      Seen& seen = runs_[run.id()];
      if (seen.revision == revision) ++repeated;
      seen = {run, revision};
    }
    known_ = next.revision;
    return repeated;
  }
  bool IsUpToDate() const { return known_ == harness_.state().sweep_revisions.at(sweep_); }
  // "" or how what came differs from what is. What a run that has ended is told of tasks that go on for others is news
  // to nobody.
  std::string Difference() const {
    google::protobuf::util::MessageDifferencer differencer;
    std::string difference;
    differencer.ReportDifferencesToString(&difference);
    for (const SweepRecord::Member& member : harness_.state().sweeps.at(sweep_).members) {
      wire::Run now;
      RunOfSweepToWire(harness_.state(), harness_.run(member.run), harness_.now(), &now);
      const auto seen = runs_.find(member.run.value);
      if (seen == runs_.end()) return "a run never came";
      wire::Run then = seen->second.run;
      for (wire::Run* run : {&now, &then}) {
        if (IsTerminal(harness_.run(member.run).record.state)) run->clear_measured();
        for (wire::Task& task : *run->mutable_tasks()) task.clear_seconds();
      }
      if (!differencer.Compare(now, then)) return difference;
    }
    return "";
  }
  void HangUpAndForget() {
    known_.reset();
    latest_ = 0;
  }

 private:
  struct Seen {
    wire::Run run;
    uint64_t revision = 0;
  };
  const SchedulerHarness& harness_;
  WatchMessages* messages_;
  const SweepId sweep_;
  std::optional<uint64_t> known_;
  uint64_t latest_ = 0;
  std::map<std::string, Seen> runs_;
};

SubmitSweep SweepOf(int runs) {
  SubmitSweep sweep{.name = "sweep", .runs = {}, .labels = {}, .request_id = ""};
  for (int i = 0; i < runs; ++i) {
    RunSpec spec = BlockApSpec(2);
    spec.name = absl::StrCat("run ", i);
    spec.recipe.seed = i;
    sweep.runs.push_back({spec, ""});
    sweep.labels.push_back({{"seed", absl::StrCat(i)}});
  }
  return sweep;
}

TEST(WatchSweepTest, WhoeverGoesOnAtItsTokenMissesNothingAndIsToldNothingTwice) {
  testing::ManualClock clock;
  const auto runtime = Runtime::Start({}, std::make_unique<MemoryStore>(), &clock);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  WatchMessages messages(runtime->get());
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    const auto one_of = [&random](uint32_t n) { return random() % n; };
    SchedulerHarness harness;
    const SweepId sweep = std::get<SweepReply>(harness.Do(SweepOf(5)).reply).sweep;
    const WorkerId worker = harness.Register("a");
    SweepClient client(harness, &messages, sweep);
    for (int step = 0; !HasEnded(harness.state(), sweep); ++step) {
      ASSERT_LT(step, 2000);
      const std::optional<Lease> lease = harness.LeaseTo(worker);
      if (lease.has_value() && one_of(5) > 0) {
        ASSERT_TRUE(harness.Succeed(worker, *lease).ok());
      } else if (lease.has_value()) {
        ASSERT_TRUE(harness.Fail(worker, *lease, FailureCause::kInfrastructure).ok());
      }
      harness.Advance(1 + one_of(500));
      if (one_of(40) == 0) {
        const auto& members = harness.state().sweeps.at(sweep).members;
        harness.Do(CancelRun{members[one_of(5)].run.value});
      }
      if (one_of(3) == 0) {
        ASSERT_EQ(client.Take(), 0);
        ASSERT_TRUE(client.IsUpToDate());
        ASSERT_EQ(client.Difference(), "") << "seed " << seed << ", step " << step;
      }
      if (one_of(50) == 0) client.HangUpAndForget();
    }
    client.Take();
    EXPECT_EQ(client.Difference(), "") << "seed " << seed;
    EXPECT_EQ(client.Take(), 0);
  }
}

TEST(WatchSweepTest, AllRunsOfALargeSweepComeInSeveralMessages) {
  testing::ManualClock clock;
  const auto runtime = Runtime::Start({}, std::make_unique<MemoryStore>(), &clock);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  WatchMessages messages(runtime->get());
  SchedulerHarness harness;
  const SweepId sweep = std::get<SweepReply>(harness.Do(SweepOf(450)).reply).sweep;
  SweepClient client(harness, &messages, sweep);
  client.Take();
  EXPECT_FALSE(client.IsUpToDate());
  // The first run, which has come, changes; it comes again at the end.
  harness.Do(CancelRun{harness.state().sweeps.at(sweep).members.front().run.value});
  EXPECT_EQ(client.Take(), 0);
  EXPECT_EQ(client.Take(), 0);
  EXPECT_TRUE(client.IsUpToDate());
  EXPECT_EQ(client.Difference(), "");
}

// A client of WatchRuns that hangs up and goes on at any time, and knows those of its projects.
class RunsClient {
 public:
  RunsClient(const SchedulerHarness& harness, WatchMessages* messages, ProjectScope projects)
      : harness_(harness), messages_(messages), watched_{.projects = std::move(projects), .first_sequence = 0} {}

  void Take() {
    const WatchMessages::RunsUpTo next = messages_->OfRuns(harness_.state(), watched_, harness_.now(), known_);
    EXPECT_LE(next.message->content().runs_size(), static_cast<int>(WatchMessages::kRunsInMessage));
    EXPECT_EQ(next.tells, next.message->content().all_again() ||
                              next.message->content().runs_size() + next.message->content().deleted_size() > 0);
    if (next.message->content().all_again()) runs_.clear();
    for (const wire::Run& run : next.message->content().runs()) runs_[run.id()] = run;
    for (const std::string& id : next.message->content().deleted()) runs_.erase(id);
    EXPECT_EQ(next.message->content().more(), next.known.runs != harness_.state().revision);
    known_ = next.known;
  }
  bool IsUpToDate() const { return known_.has_value() && known_->runs == harness_.state().revision; }
  // "" or how what came differs from what is.
  std::string Difference() const {
    google::protobuf::util::MessageDifferencer differencer;
    std::string difference;
    differencer.ReportDifferencesToString(&difference);
    size_t visible = 0;
    for (const auto& [id, run] : harness_.state().runs) {
      if (!watched_.projects.Has(run.record.spec->project)) continue;
      ++visible;
      const auto seen = runs_.find(id.value);
      if (seen == runs_.end()) return "a run never came";
      wire::Run now, then = seen->second;
      RunOfSweepToWire(harness_.state(), run, harness_.now(), &now);
      for (wire::Run* one : {&now, &then}) {
        if (IsTerminal(run.record.state)) one->clear_measured();
        for (wire::Task& task : *one->mutable_tasks()) task.clear_seconds();
      }
      if (!differencer.Compare(now, then)) return difference;
    }
    return visible == runs_.size() ? "" : "a run is known that is not there, or of others";
  }
  void HangUpAndForget() { known_.reset(); }
  size_t runs() const { return runs_.size(); }

 private:
  const SchedulerHarness& harness_;
  WatchMessages* messages_;
  const WatchMessages::RunsWatched watched_;
  std::optional<WatchMessages::RunsKnown> known_;
  std::map<std::string, wire::Run> runs_;
};

TEST(WatchRunsTest, WhoeverGoesOnAtItsTokenKnowsWhatThereIsOfItsProjectsAlsoWhereRunsAreDeleted) {
  testing::ManualClock clock;
  const auto runtime = Runtime::Start({}, std::make_unique<MemoryStore>(), &clock);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    WatchMessages messages(runtime->get());
    std::mt19937 random(seed);
    const auto one_of = [&random](uint32_t n) { return random() % n; };
    SchedulerHarness harness;
    const WorkerId worker = harness.Register("a");
    RunsClient all(harness, &messages, ProjectScope::All());
    RunsClient of_a(harness, &messages, ProjectScope::Of({"a"}));
    for (int step = 0; step < 400; ++step) {
      if (one_of(20) == 0) {
        RunSpec spec = BlockApSpec(2);
        spec.name = absl::StrCat("run ", step);
        spec.recipe.seed = step;
        spec.project = one_of(2) == 0 ? "a" : "b";
        harness.Do(SubmitRun{spec, ""});
      }
      const std::optional<Lease> lease = harness.LeaseTo(worker);
      if (lease.has_value()) {
        ASSERT_TRUE(harness.Succeed(worker, *lease).ok());
      }
      harness.Advance(1 + one_of(500));
      if (one_of(30) == 0 && !harness.state().runs.empty()) {
        auto run = harness.state().runs.begin();
        std::advance(run, one_of(static_cast<uint32_t>(harness.state().runs.size())));
        harness.Do(DeleteRun{run->first.value, /*force=*/true});
      }
      for (RunsClient* client : {&all, &of_a}) {
        if (one_of(50) == 0) client->HangUpAndForget();
        if (one_of(4) > 0) continue;
        client->Take();
        ASSERT_TRUE(client->IsUpToDate());
        ASSERT_EQ(client->Difference(), "") << "seed " << seed << ", step " << step;
      }
    }
  }
}

TEST(WatchRunsTest, ManyRunsComeInSeveralMessagesAndAForgottenDeletionBeginsAnew) {
  testing::ManualClock clock;
  const auto runtime = Runtime::Start({}, std::make_unique<MemoryStore>(), &clock);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  WatchMessages messages(runtime->get());
  SchedulerHarness harness;
  harness.Do(SweepOf(450));
  RunsClient client(harness, &messages, ProjectScope::All());
  for (const size_t known : {200, 400, 450}) {
    client.Take();
    EXPECT_EQ(client.runs(), known);
  }
  EXPECT_TRUE(client.IsUpToDate());
  RunsClient late = client;
  for (size_t i = 0; i <= RunNews::kDeletionsKept; ++i) {
    const auto run = std::get<RunReply>(harness.Do(SubmitRun{testing::NoopSpec(1), ""}).reply).run;
    harness.Do(DeleteRun{run.value, /*force=*/true});
  }
  for (int i = 0; i < 3; ++i) late.Take();
  EXPECT_TRUE(late.IsUpToDate());
  EXPECT_EQ(late.Difference(), "");
}

}  // namespace
}  // namespace lwq::coordinator
