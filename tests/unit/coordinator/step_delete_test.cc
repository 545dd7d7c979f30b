// SPDX-License-Identifier: Apache-2.0
// Runs and sweeps that are deleted; and the table: each of cancel, pause, resume and delete, in every state that a run
// or a sweep can be in, alone or beside a run with the same tasks. Nothing may leak, and the other run must not notice.
#include "coordinator/scheduler/step/step.h"

#include <algorithm>

#include "coordinator/scheduler/state/live_roots.h"
#include "coordinator/scheduler/state/restore.h"
#include "coordinator/scheduler/state/run_rungs.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/halved_sweeps.h"

namespace lwq::coordinator {
namespace {

using testing::AcceptedSweep;
using testing::BlockApSpec;
using testing::CheckEmpty;
using testing::CheckIndexes;
using testing::CheckStored;
using testing::DescribeDurable;
using ::testing::ElementsAre;
using testing::HalvedSweep;
using testing::HalvingBy;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MembersOf;
using testing::NoopSpec;
using ::testing::Not;
using testing::RunArmsToEnd;
using testing::SchedulerHarness;
using ::testing::SizeIs;
using testing::StatesOf;

RunSpec Trained(double epochs) {
  RunSpec spec = BlockApSpec(2);
  spec.recipe.epochs = epochs;
  return spec;
}

SweepId SubmittedSweep(SchedulerHarness& harness, const std::vector<RunSpec>& specs,
                       const std::string& request_id = "") {
  SubmitSweep sweep{.name = "sweep", .runs = {}, .labels = {}, .request_id = request_id};
  for (const RunSpec& spec : specs) {
    sweep.runs.push_back({spec, ""});
    sweep.labels.push_back({{"arm", absl::StrCat(sweep.labels.size())}});
  }
  const Effects effects = harness.Do(sweep);
  LWQ_CHECK(effects.status.ok(), effects.status.ToString());
  return std::get<SweepReply>(effects.reply).sweep;
}

void ExpectConsistent(SchedulerHarness& harness) {
  EXPECT_EQ(CheckIndexes(harness.state()), "");
  EXPECT_EQ(CheckStored(harness.state(), *harness.store().Load()), "");
}

TEST(DeleteRunTest, WhatNoOtherRunHasGoesInOneCommitAndWhatOthersHaveStays) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId first = harness.Submit(Trained(1), "first");
  const RunId second = harness.Submit(Trained(2), "second");
  harness.RunToEnd(worker);
  const RunResult result = harness.run(second).record.result;
  std::set<Digest> shared;
  for (const RunTaskRecord& planned : harness.run(second).tasks) shared.insert(planned.key);
  const size_t tasks = harness.state().tasks.size();

  const Effects effects = harness.Do(DeleteRun{first.value});
  ASSERT_TRUE(effects.status.ok()) << effects.status;
  const auto& reply = std::get<DeleteReply>(effects.reply);
  EXPECT_EQ(reply.id, first.value);
  EXPECT_EQ(reply.tasks, static_cast<int64_t>(tasks - shared.size()));
  EXPECT_GT(reply.tasks, 0);
  EXPECT_GT(reply.released_bytes, 0);
  EXPECT_EQ(harness.state().tasks.size(), shared.size());
  EXPECT_FALSE(harness.state().requests.contains("first"));
  ExpectConsistent(harness);

  harness.Restart();
  ExpectConsistent(harness);
  EXPECT_EQ(harness.run(second).record.result, result);
  EXPECT_THAT(harness.RunToEnd(worker), IsEmpty());
  // The same again is another run, and what it shares is found.
  const RunId again = harness.Submit(Trained(1), "first");
  EXPECT_NE(again, first);
  EXPECT_THAT(harness.RunToEnd(worker), SizeIs(reply.tasks));
}

TEST(DeleteRunTest, OneThatIsNotKnownIsNotFoundAlsoTheSecondTime) {
  SchedulerHarness harness;
  const RunId run = harness.Submit(NoopSpec(1));
  EXPECT_TRUE(absl::IsNotFound(harness.Do(DeleteRun{"0123456789ab", true}).status));
  EXPECT_TRUE(absl::IsNotFound(harness.Do(DeleteSweep{"0123456789ab", true}).status));
  ASSERT_TRUE(harness.Do(DeleteRun{run.value, true}).status.ok());
  EXPECT_TRUE(absl::IsNotFound(harness.Do(DeleteRun{run.value, true}).status));
}

TEST(DeleteRunTest, OneThatHasNotEndedIsRefusedAndNothingChanges) {
  SchedulerHarness harness;
  harness.Register("a");
  const RunId run = harness.Submit(Trained(1));
  const std::string before = DescribeDurable(harness.state());
  const Effects refused = harness.Do(DeleteRun{run.value});
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status));
  EXPECT_THAT(std::string(MessageOf(refused.status)), HasSubstr("is RUNNING: cancel it first, or delete it by force"));
  EXPECT_THAT(refused.changes, IsEmpty());
  EXPECT_EQ(DescribeDurable(harness.state()), before);
}

TEST(DeleteRunTest, ItsActivationsAreDeletedByWorkersAndItsOtherResultsAreNoRootsAnyMore) {
  SchedulerHarness harness;  // with the default budget
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(Trained(1));
  harness.RunToEnd(worker);
  EXPECT_THAT(harness.DiscardAll(worker), IsEmpty()) << "within the budget";
  const int64_t activation_bytes = harness.state().activations.stored_bytes();
  ASSERT_TRUE(harness.Do(DeleteRun{run.value}).status.ok());
  EXPECT_EQ(harness.state().activations.discarded_bytes(), activation_bytes);
  const LiveRoots roots = LiveRootsOf(harness.state(), harness.now());
  EXPECT_THAT(roots.actions, IsEmpty());
  EXPECT_THAT(roots.artifacts, SizeIs(harness.state().activations.all().size())) << "until workers have deleted them";
  harness.Restart();
  int64_t deleted_bytes = 0;
  for (const ArtifactRef& artifact : harness.DiscardAll(worker)) deleted_bytes += artifact.size_bytes;
  EXPECT_EQ(deleted_bytes, activation_bytes);
  EXPECT_EQ(CheckEmpty(harness.state()), "");
  EXPECT_EQ(CheckStored(harness.state(), *harness.store().Load()), "");
}

TEST(DeleteRunTest, AnActivationThatAnotherTaskMadeTooIsKept) {
  SchedulerHarness harness;  // with the default budget
  const WorkerId worker = harness.Register("a");
  RunSpec other = Trained(1);
  other.recipe.seed = 77;  // other windows, which happen to embed to the same activations
  const RunId first = harness.Submit(Trained(1));
  const RunId second = harness.Submit(other);
  const ArtifactRef same{DigestOf("the same activations"), 1000};
  int embedded = 0;
  while (embedded < 2) {
    const Lease lease = *harness.LeaseTo(worker);
    ReportTask report;
    report.worker = worker;
    report.task = lease.task;
    report.token = lease.token;
    ReportSuccess success = testing::HonestSuccess(lease);
    if (lease.def->kind == TaskKind::kEmbed) {
      success.outputs["activations"] = same;
      ++embedded;
    }
    report.outcome = success;
    ASSERT_TRUE(harness.Do(report).status.ok());
  }
  ASSERT_TRUE(harness.Do(DeleteRun{first.value, true}).status.ok());
  EXPECT_THAT(harness.DiscardAll(worker), Not(::testing::Contains(same)));
  EXPECT_TRUE(harness.state().activations.IsReadable(same.digest));
  harness.RunToEnd(worker);
  EXPECT_EQ(harness.run(second).record.state, RunState::kSucceeded);
  ExpectConsistent(harness);
}

TEST(DeleteRunTest, ATokenOfADeletedTaskNeverComesAgain) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(NoopSpec(1));
  const Lease lease = *harness.LeaseTo(worker);
  ASSERT_TRUE(harness.Do(DeleteRun{run.value, true}).status.ok());
  EXPECT_THAT(harness.Beat(worker, {lease}), SizeIs(1)) << "the worker is told to stop";
  harness.Restart();
  harness.Submit(NoopSpec(1));
  const Lease again = *harness.LeaseTo(worker);
  ASSERT_EQ(again.task, lease.task);
  EXPECT_GT(again.token, lease.token);
  EXPECT_TRUE(absl::IsAborted(harness.Succeed(worker, lease))) << "a report from before the deletion";
  EXPECT_TRUE(harness.Succeed(worker, again).ok());
}

TEST(DeleteSweepTest, MembersLeaveTheSweepOneByOneAndTheLastTakesItAlong) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = SubmittedSweep(harness, {NoopSpec(1, 1), NoopSpec(1, 2), NoopSpec(1, 3)}, "request");
  harness.RunToEnd(worker);
  const auto members = [&] {
    std::vector<RunId> runs;
    for (const auto& member : harness.state().sweeps.at(id).members) runs.push_back(member.run);
    return runs;
  };
  const std::vector<RunId> before = members();
  ASSERT_TRUE(harness.Do(DeleteRun{before[1].value}).status.ok());
  harness.Restart();
  EXPECT_THAT(members(), ElementsAre(before[0], before[2]));
  EXPECT_EQ(LabelsOf(harness.state(), harness.run(before[2])).at("arm"), "2");
  ASSERT_TRUE(harness.Do(DeleteRun{before[0].value}).status.ok());
  ASSERT_TRUE(harness.Do(DeleteRun{before[2].value}).status.ok());
  EXPECT_EQ(CheckEmpty(harness.state()), "");
  EXPECT_EQ(CheckStored(harness.state(), *harness.store().Load()), "");
}

TEST(DeleteSweepTest, ItsRunsGoAndThoseThatAreNotInItStay) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = SubmittedSweep(harness, {Trained(1), Trained(2)});
  const RunId alone = harness.Submit(Trained(3));
  harness.RunToEnd(worker);
  const Effects effects = harness.Do(DeleteSweep{id.value});
  ASSERT_TRUE(effects.status.ok()) << effects.status;
  EXPECT_EQ(std::get<DeleteReply>(effects.reply).runs, 2);
  EXPECT_THAT(harness.state().runs, SizeIs(1));
  EXPECT_EQ(harness.run(alone).record.state, RunState::kSucceeded);
  ExpectConsistent(harness);
}

TEST(DeleteSweepTest, OneRunThatHasNotEndedKeepsAllOfThem) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = SubmittedSweep(harness, {NoopSpec(1, 1), NoopSpec(1, 2)});
  ASSERT_TRUE(harness.Succeed(worker, *harness.LeaseTo(worker)).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(harness.Do(DeleteSweep{id.value}).status));
  EXPECT_THAT(harness.state().runs, SizeIs(2));
  ASSERT_TRUE(harness.Do(DeleteSweep{id.value, true}).status.ok());
  EXPECT_EQ(CheckEmpty(harness.state()), "");
}

// --- Sweeps with halving, and tasks that two workers have ------------------------------------------------------------

double FirstIsBest(int64_t arm, int64_t) {
  return 1 + static_cast<double>(arm);
}

TEST(DeleteHalvedSweepTest, NoRunLeavesBeforeTheHalvingHasEndedButAllMayGoTogether) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(2, 2, HalvingBy(2), "request"));
  const RunId cancelled = MembersOf(harness, id)[0];
  ASSERT_TRUE(harness.Do(CancelRun{cancelled.value}).status.ok());
  ASSERT_TRUE(harness.LeaseTo(worker).has_value());
  const std::string before = DescribeDurable(harness.state());
  for (const bool force : {false, true}) {
    const Effects refused = harness.Do(DeleteRun{cancelled.value, force});
    EXPECT_TRUE(absl::IsFailedPrecondition(refused.status));
    EXPECT_THAT(
        std::string(MessageOf(refused.status)),
        HasSubstr(absl::StrCat("is in sweep ", id.value, ", whose halving still compares its runs: cancel the")));
    EXPECT_EQ(DescribeDurable(harness.state()), before);
  }
  ASSERT_TRUE(harness.Do(DeleteSweep{id.value, true}).status.ok());
  EXPECT_EQ(CheckEmpty(harness.state()), "");
  EXPECT_EQ(CheckStored(harness.state(), *harness.store().Load()), "");
}

TEST(DeleteHalvedSweepTest, OnceItHasEndedRunsLeaveAndTheOthersKeepTheirPlacesAndValues) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = AcceptedSweep(harness, HalvedSweep(4, 2, HalvingBy(2), "request"));
  const std::vector<RunId> runs = MembersOf(harness, id);
  RunArmsToEnd(harness, worker, FirstIsBest);
  ASSERT_THAT(StatesOf(harness, id),
              ElementsAre(RunState::kSucceeded, RunState::kSucceeded, RunState::kStopped, RunState::kStopped));
  const std::vector<std::vector<double>> values = RungValues(harness.state().sweeps.at(id));
  const std::vector<RungResult> journal = harness.state().sweeps.at(id).rung_results;
  // One that has succeeded, and one that was stopped for good: it has ended, too.
  ASSERT_TRUE(harness.Do(DeleteRun{runs[0].value}).status.ok());
  ASSERT_TRUE(harness.Do(DeleteRun{runs[2].value}).status.ok());
  for (const bool restarted : {false, true}) {
    if (restarted) harness.Restart();
    ExpectConsistent(harness);
    const SweepRecord& sweep = harness.state().sweeps.at(id);
    EXPECT_THAT(MembersOf(harness, id), ElementsAre(runs[1], runs[3]));
    EXPECT_THAT(RungValues(sweep), ElementsAre(values[1], values[3]));
    EXPECT_EQ(sweep.rung_results, journal);
    EXPECT_TRUE(HasEnded(harness.state(), id));
    EXPECT_EQ(LabelsOf(harness.state(), harness.run(runs[3])), HalvedSweep(4, 2, HalvingBy(2)).labels[3]);
  }
  // The one that is left and was stopped is trained through.
  ASSERT_TRUE(harness.Do(PauseRun{runs[3].value, false}).status.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(harness.Do(DeleteRun{runs[3].value}).status));
  RunArmsToEnd(harness, worker, FirstIsBest);
  EXPECT_EQ(harness.run(runs[3]).record.state, RunState::kSucceeded);
  ExpectConsistent(harness);
  ASSERT_TRUE(harness.Do(DeleteRun{runs[3].value}).status.ok());
  ASSERT_TRUE(harness.Do(DeleteRun{runs[1].value}).status.ok());
  harness.DiscardAll(worker);
  EXPECT_EQ(CheckEmpty(harness.state()), "");
  EXPECT_EQ(CheckStored(harness.state(), *harness.store().Load()), "");
}

TEST(DeleteHalvedSweepTest, AStoreWhereARunIsMissingBeforeTheHalvingHasEndedIsInconsistent) {
  SchedulerHarness harness;
  harness.Register("a");
  AcceptedSweep(harness, HalvedSweep(2, 2, HalvingBy(2)));
  Records records = *harness.store().Load();
  records.sweeps.front().members.pop_back();
  const Status restored = RestoreState(records, {}, harness.now()).status();
  EXPECT_TRUE(absl::IsDataLoss(restored));
  EXPECT_THAT(std::string(MessageOf(restored)), HasSubstr("it is of other runs"));
}

TEST(DeleteHalvedSweepTest, AMemberThatLeavesRevisesTheSweep) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const SweepId id = SubmittedSweep(harness, {NoopSpec(1, 1), NoopSpec(1, 2)});
  harness.RunToEnd(worker);
  const uint64_t before = harness.state().sweep_revisions.at(id);
  const RunId first = MembersOf(harness, id)[0];
  ASSERT_TRUE(harness.Do(DeleteRun{first.value}).status.ok());
  EXPECT_GT(harness.state().sweep_revisions.at(id), before);
}

TEST(DeleteRunTest, ATaskThatTwoWorkersHaveIsTakenFromBothAndNeitherTokenComesAgain) {
  SchedulerOptions options;
  options.straggler_least_ms = 1000;
  options.lease_ms = 1 << 30;
  SchedulerHarness harness(options);
  const WorkerId slow = harness.Register("slow");
  const WorkerId fast = harness.Register("fast");
  const RunId run = harness.Submit(testing::RtnSpec(2), "request");
  bool learned = false;
  Lease first;
  while (true) {
    first = *harness.LeaseTo(slow);
    if (first.def->kind == TaskKind::kRtnBlock && learned) break;
    learned = learned || first.def->kind == TaskKind::kRtnBlock;
    ReportTask report{.worker = slow,
                      .task = first.task,
                      .token = first.token,
                      .outcome = testing::HonestSuccess(first),
                      .seconds = 1,
                      .log_lines = {}};
    ASSERT_TRUE(harness.Do(report).status.ok());
  }
  const int64_t began_unix_ms = harness.now().unix_ms;
  harness.Advance(4000);
  const Lease second = *harness.LeaseTo(fast);
  ASSERT_EQ(second.task, first.task);
  EXPECT_EQ(LiveRootsOf(harness.state(), harness.now()).working_since_unix_ms, began_unix_ms) << "the older of the two";
  ASSERT_TRUE(harness.Do(DeleteRun{run.value, true}).status.ok());
  EXPECT_EQ(harness.Beat(slow, {first}).size(), 1u);
  EXPECT_EQ(harness.Beat(fast, {second}).size(), 1u);
  EXPECT_TRUE(absl::IsAborted(harness.Succeed(slow, first)));
  EXPECT_TRUE(absl::IsAborted(harness.Succeed(fast, second)));
  ExpectConsistent(harness);
  harness.Restart();
  EXPECT_GE(harness.state().token_floor, std::max(first.token, second.token));
  harness.Submit(testing::RtnSpec(2), "request");
  const Lease again = *harness.LeaseTo(fast);
  EXPECT_GT(again.token, std::max(first.token, second.token));
  ExpectConsistent(harness);
}

// --- The table -------------------------------------------------------------------------------------------------------

// What a run, or the runs of a sweep, are in when the verb comes.
enum class Life {
  kPending,
  kReady,
  kLeased,
  kHalfway,
  kDelayed,
  kMeasuring,
  kPaused,
  kPausedWhileLeased,
  kWorkerSilent,
  kRestarted,
  kFailed,
  kCancelled,
  kSucceeded,
  kSucceededDiscarding,
  kSucceededDeleted,
  kRemaking,
};
constexpr const char* kLifeNames[] = {
    "Pending",           "Ready",        "Leased",    "Halfway", "Delayed",   "Measuring", "Paused",
    "PausedWhileLeased", "WorkerSilent", "Restarted", "Failed",  "Cancelled", "Succeeded", "SucceededDiscarding",
    "SucceededDeleted",  "Remaking"};
constexpr int kLives = static_cast<int>(std::size(kLifeNames));

enum class Verb { kCancel, kPause, kResume, kDelete, kDeleteByForce };
constexpr const char* kVerbNames[] = {"Cancel", "Pause", "Resume", "Delete", "DeleteByForce"};

// The run that is there besides.
enum class Beside { kNobody, kTheSameRun, kARunThatSharesSome };
constexpr const char* kBesideNames[] = {"Alone", "BesideTheSameRun", "BesideARunThatSharesSome"};

struct Case {
  Life life;
  Verb verb;
  Beside beside;
  bool sweep;
};

// A cluster in which the run or sweep has come to that point.
class Cluster {
 public:
  Cluster(Life life, Beside beside, bool sweep) : harness_(testing::ActivationBudget(200)), sweep_(sweep) {
    if (life != Life::kPending) worker_ = harness_.Register("a");
    Submit(life == Life::kMeasuring);
    if (beside == Beside::kTheSameRun) other_ = harness_.Submit(specs_.front(), "other");
    if (beside == Beside::kARunThatSharesSome) other_ = harness_.Submit(Trained(7), "other");
    Come(life);
  }

  SchedulerHarness& harness() { return harness_; }
  const std::optional<RunId>& other() const { return other_; }

  Status Do(Verb verb) {
    switch (verb) {
      case Verb::kCancel:
        return sweep_ ? Say(CancelSweep{id_}) : Say(CancelRun{id_});
      case Verb::kPause:
      case Verb::kResume:
        return sweep_ ? Say(PauseSweep{id_, verb == Verb::kPause}) : Say(PauseRun{id_, verb == Verb::kPause});
      case Verb::kDelete:
      case Verb::kDeleteByForce:
        return sweep_ ? Say(DeleteSweep{id_, verb == Verb::kDeleteByForce})
                      : Say(DeleteRun{id_, verb == Verb::kDeleteByForce});
    }
    return absl::InternalError("no verb");
  }
  bool IsThere() const {
    return sweep_ ? harness_.state().sweeps.contains(SweepId{id_}) : harness_.state().runs.contains(RunId{id_});
  }
  // Whether all its runs have ended and none is being remade.
  bool IsOver() const {
    for (const auto& [id, run] : harness_.state().runs) {
      if (other_ == id) continue;
      if (!IsTerminal(run.record.state) || !run.record.remaking.is_zero()) return false;
    }
    return true;
  }

  // The worker reports what it has, and everything that can be done is.
  void Finish() {
    if (worker_.value.empty()) worker_ = harness_.Register("a");
    harness_.Advance(60'000);  // over any back-off; the worker may have been given up
    if (!harness_.state().workers.contains(worker_)) worker_ = harness_.Register("a");
    harness_.Beat(worker_);
    if (lease_.has_value()) harness_.Succeed(worker_, *std::exchange(lease_, std::nullopt)).IgnoreError();
    while (!harness_.RunToEnd(worker_).empty()) harness_.DiscardAll(worker_);
    harness_.DiscardAll(worker_);
  }
  void DeleteAll() {
    std::vector<RunId> runs;
    for (const auto& [id, run] : harness_.state().runs) runs.push_back(id);
    for (const RunId& id : runs) LWQ_CHECK(harness_.Do(DeleteRun{id.value, true}).status.ok());
    harness_.DiscardAll(worker_);
  }

 private:
  template <typename Event>
  Status Say(const Event& event) {
    return harness_.Do(event).status;
  }
  void Submit(bool measures) {
    specs_ = {Trained(1), Trained(2)};
    for (RunSpec& spec : specs_) {
      if (!measures) continue;
      spec.recipe.layer_ordering = "sensitivity";
      spec.recipe.sensitivity_metric = "fisher";
      spec.recipe.sensitivity_samples = 4;
    }
    id_ = sweep_ ? SubmittedSweep(harness_, specs_, "sweep").value : harness_.Submit(specs_.front(), "run").value;
  }
  void Lose() {
    LWQ_CHECK(harness_.Fail(worker_, *std::exchange(lease_, std::nullopt), FailureCause::kInfrastructure).ok());
  }
  void Come(Life life) {
    switch (life) {
      case Life::kPending:
      case Life::kReady:
        return;
      case Life::kLeased:
      case Life::kMeasuring:
        lease_ = harness_.LeaseTo(worker_);
        return;
      case Life::kHalfway:
        lease_ = harness_.RunUntil(worker_, "train block 0");
        return;
      case Life::kDelayed:
        lease_ = harness_.LeaseTo(worker_);
        return Lose();
      case Life::kPaused:
        LWQ_CHECK(Do(Verb::kPause).ok());
        return;
      case Life::kPausedWhileLeased:
        lease_ = harness_.RunUntil(worker_, "train block 0");
        LWQ_CHECK(Do(Verb::kPause).ok());
        return;
      case Life::kWorkerSilent:
        lease_ = harness_.RunUntil(worker_, "train block 0");
        harness_.Advance(harness_.options().lease_ms + 1);
        return;
      case Life::kRestarted:
        lease_ = harness_.RunUntil(worker_, "train block 0");
        return harness_.Restart();
      case Life::kFailed:
        // Both arms of a sweep share it.
        lease_ = harness_.RunUntil(worker_, "advance full-precision block 0");
        LWQ_CHECK(harness_.Fail(worker_, *std::exchange(lease_, std::nullopt), FailureCause::kTask).ok());
        return;
      case Life::kCancelled:
        lease_ = harness_.RunUntil(worker_, "train block 0");
        LWQ_CHECK(Do(Verb::kCancel).ok());
        return;
      case Life::kSucceeded:
        harness_.RunToEnd(worker_);
        return;
      case Life::kSucceededDiscarding:
        harness_.RunToEnd(worker_);
        harness_.Discard(worker_);
        return;
      case Life::kSucceededDeleted:
        harness_.RunToEnd(worker_);
        harness_.DiscardAll(worker_);
        return;
      case Life::kRemaking:
        harness_.RunToEnd(worker_);
        harness_.DiscardAll(worker_);
        RunId run{id_};
        if (sweep_) run = harness_.state().sweeps.at(SweepId{id_}).members.front().run;
        LWQ_CHECK(harness_.Do(RemakeArtifact{run.value, {}}).status.ok());
        lease_ = harness_.LeaseTo(worker_);
        return;
    }
  }

  SchedulerHarness harness_;
  const bool sweep_;
  WorkerId worker_;
  std::vector<RunSpec> specs_;
  std::string id_;
  std::optional<RunId> other_;
  std::optional<Lease> lease_;
};

class VerbInEveryStateTest : public ::testing::TestWithParam<Case> {};

TEST_P(VerbInEveryStateTest, LeaksNothingAndLeavesTheOtherRunAsItWouldHaveBeen) {
  const Case& one = GetParam();
  Cluster cluster(one.life, one.beside, one.sweep);
  ASSERT_EQ(CheckIndexes(cluster.harness().state()), "");
  const bool was_over = cluster.IsOver();
  const std::string before = DescribeDurable(cluster.harness().state());

  const Status status = cluster.Do(one.verb);
  const bool deletes = one.verb == Verb::kDelete || one.verb == Verb::kDeleteByForce;
  const bool refused = one.verb == Verb::kDelete && !was_over;
  EXPECT_EQ(status.code(), refused ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kOk) << status;
  EXPECT_EQ(cluster.IsThere(), !deletes || refused);
  if (refused) {
    EXPECT_EQ(DescribeDurable(cluster.harness().state()), before);
  }
  if (one.verb == Verb::kCancel) {
    EXPECT_TRUE(cluster.IsOver());
  }
  ExpectConsistent(cluster.harness());

  // A restart sees the same.
  const std::string after = DescribeDurable(cluster.harness().state());
  cluster.harness().RestartWithoutWorkers();  // whose heartbeats would go on with deletions
  EXPECT_EQ(DescribeDurable(cluster.harness().state()), after);
  EXPECT_EQ(CheckIndexes(cluster.harness().state()), "");
  cluster.harness().Restart();

  cluster.Finish();
  ExpectConsistent(cluster.harness());
  if (cluster.other().has_value()) {
    Cluster undisturbed(one.life, one.beside, one.sweep);
    undisturbed.Finish();
    const RunRecord& other = cluster.harness().run(*cluster.other()).record;
    const RunRecord& reference = undisturbed.harness().run(*undisturbed.other()).record;
    EXPECT_EQ(other.state, reference.state) << other.error;
    EXPECT_EQ(other.result, reference.result);
    if (one.life != Life::kFailed) {
      EXPECT_EQ(other.state, RunState::kSucceeded);
    }
  }
  if (one.verb == Verb::kPause && cluster.IsThere()) {
    ASSERT_TRUE(cluster.Do(Verb::kResume).ok());
    cluster.Finish();
    EXPECT_TRUE(cluster.IsOver());
  }

  cluster.DeleteAll();
  EXPECT_EQ(CheckEmpty(cluster.harness().state()), "");
  ExpectConsistent(cluster.harness());
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (int life = 0; life < kLives; ++life) {
    for (const Verb verb : {Verb::kCancel, Verb::kPause, Verb::kResume, Verb::kDelete, Verb::kDeleteByForce}) {
      for (const Beside beside : {Beside::kNobody, Beside::kTheSameRun, Beside::kARunThatSharesSome}) {
        for (const bool sweep : {false, true}) cases.push_back({static_cast<Life>(life), verb, beside, sweep});
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, VerbInEveryStateTest, ::testing::ValuesIn(AllCases()), [](const auto& one) {
  const Case& the = one.param;
  return absl::StrCat(the.sweep ? "Sweep" : "Run", kLifeNames[static_cast<int>(the.life)],
                      kVerbNames[static_cast<int>(the.verb)], kBesideNames[static_cast<int>(the.beside)]);
});

}  // namespace
}  // namespace lwq::coordinator
