// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/world.h"
#include "coordinator/scheduler/state/restore.h"

#include <algorithm>

#include "coordinator/scheduler/state/run_rungs.h"
#include "tests/unit/coordinator/halved_sweeps.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator::simulation {
namespace {

constexpr int64_t kLeaseMs = 1000;
constexpr int64_t kHeartbeatMs = 250;
constexpr int64_t kFaultsMs = 20'000;     // how long things go wrong
constexpr int64_t kDeadlineMs = 400'000;  // by when everything must have ended
constexpr int64_t kCallTimeoutMs = 400;
constexpr int64_t kMaxDelayMs = 4000;  // of a message

// What makes a run's graph another one than the sequential handoff's, or makes it grow.
void DrawMethod(SimRandom& random, RunSpec& spec) {
  constexpr const char* kHandoffs[] = {"sequential", "independent", "relay"};
  constexpr const char* kMetrics[] = {"fisher", "gradient", "hessian", "output_fisher", "loss_delta", "pilot"};
  spec.recipe.handoff = kHandoffs[random.Between(0, 2)];
  spec.recipe.prepare = random.Chance(0.3) ? "awq" : "none";
  spec.recipe.init = random.Chance(0.3) ? (random.Chance(0.5) ? "gptq" : "omniquant") : "minmax";
  spec.recipe.eval_kl = !spec.eval_texts.empty() && random.Chance(0.3);
  if (random.Chance(0.5)) return;
  spec.recipe.layer_ordering = "sensitivity";
  spec.recipe.sensitivity_metric = kMetrics[random.Between(0, 5)];
  spec.recipe.sensitivity_samples = 4;
  spec.recipe.sensitivity_shard_samples = random.Between(1, 4);
  spec.recipe.sensitivity_bits = "2,4";
  spec.recipe.hessian_probes = 2;
  if (spec.recipe.handoff == Handoff::kSequential && random.Chance(0.5)) spec.recipe.reorder_every = 1;
}

std::vector<RunSpec> DrawSpecs(SimRandom& random) {
  std::vector<RunSpec> specs;
  const int64_t count = random.Between(1, 4);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t kind = random.Between(0, 9);
    if (kind < 7) {
      RunSpec spec = testing::BlockApSpec(static_cast<int>(random.Between(1, 3)));
      spec.recipe.wbits = random.Chance(0.5) ? 2 : 3;
      spec.priority = static_cast<int>(random.Between(0, 1));
      if (random.Chance(0.5)) DrawMethod(random, spec);
      // Of 32-token windows: evaluated in 1 to 8 shards.
      spec.eval_texts[0].files.size_bytes = random.Between(0, 8 * 32 * 4 * 4);
      spec.recipe.eval_shard_windows = 4;
      specs.push_back(spec);
    } else if (kind < 9) {
      specs.push_back(testing::NoopSpec(random.Between(1, 12), random.Between(1, 2)));
    } else {
      specs.push_back(testing::RtnSpec(static_cast<int>(random.Between(1, 3))));
    }
  }
  return specs;
}

// A few arms of a small model; sometimes two are equal.
SubmitSweep DrawHalvedSweep(SimRandom& random) {
  SweepHalving halving;
  halving.metric = random.Chance(0.5) ? HalvingMetric::kBlockLoss : HalvingMetric::kPerplexity;
  halving.rule.order = random.Chance(0.7) ? HalvingOrder::kSynchronous : HalvingOrder::kAsynchronous;
  halving.rule.eta = random.Between(2, 3);
  const int blocks = static_cast<int>(random.Between(1, 4));
  SubmitSweep sweep = testing::HalvedSweep(random.Between(2, 5), blocks, halving, "sweep");
  for (SubmitRun& run : sweep.runs) {
    run.spec.recipe.wbits = random.Chance(0.5) ? 2 : 3;
    if (halving.metric == HalvingMetric::kPerplexity) DrawMethod(random, run.spec);
  }
  return sweep;
}

ReportTask HonestReport(const WorkerId& worker, const Lease& lease) {
  ReportTask report;
  report.worker = worker;
  report.task = lease.task;
  report.token = lease.token;
  report.outcome = HonestOutcome(lease);
  return report;
}

}  // namespace

std::variant<ReportReleased, ReportSuccess, ReportFailure> HonestOutcome(const Lease& lease) {
  if (lease.def->kind == TaskKind::kTrainBlock && lease.action_key.bytes()[0] % 8 == 0) {
    return ReportFailure{FailureCause::kDiverged, "loss is not finite", ""};
  }
  return testing::HonestSuccess(lease);
}

RunRecord UndisturbedRun(const RunSpec& spec) {
  testing::SchedulerHarness harness;
  const WorkerId worker = harness.Register("undisturbed");
  const RunId run = harness.Submit(spec);
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    const Status status = harness.Do(HonestReport(worker, *lease)).status;
    LWQ_CHECK(status.ok(), status.ToString());
  }
  return harness.run(run).record;
}

EndedSweep UndisturbedSweep(const SubmitSweep& sweep) {
  testing::SchedulerHarness harness;
  const WorkerId worker = harness.Register("undisturbed");
  const SweepId id = testing::AcceptedSweep(harness, sweep);
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    const Status status = harness.Do(HonestReport(worker, *lease)).status;
    LWQ_CHECK(status.ok(), status.ToString());
  }
  return {harness.state().sweeps.at(id).rung_results, testing::StatesOf(harness, id)};
}

World::World(uint64_t seed, Mutant mutant) : mutant_(mutant), random_(seed) {
  faults_ = DrawFaults(random_);
  options_.lease_ms = kLeaseMs;
  options_.forget_worker_ms = 10 * kLeaseMs;
  // An activation has some 75 bytes here.
  constexpr int64_t kBudgets[] = {0, 200, 600, 1 << 20};
  options_.activation_bytes = kBudgets[random_.Between(0, 3)];
  options_.quarantine_ms = random_.Chance(0.3) ? 0 : kLeaseMs;
  options_.straggler_factor = random_.Chance(0.3) ? 0 : 2;
  options_.straggler_least_ms = kLeaseMs / 2;
  options_.projects[""].max_stored_bytes = random_.Chance(0.3) ? kBudgets[random_.Between(1, 2)] : 0;
  for (const RunSpec& spec : DrawSpecs(random_)) {
    SimRun run;
    run.spec = spec;
    run.request_id = absl::StrCat("request-", runs_.size());
    runs_.push_back(std::move(run));
  }
  if (random_.Chance(0.4)) sweep_.emplace().submission = DrawHalvedSweep(random_);
  workers_.resize(static_cast<size_t>(random_.Between(1, 4)));
  for (size_t i = 0; i < workers_.size(); ++i) workers_[i].name = absl::StrCat("worker-", i);
}

void World::At(int64_t time_ms, std::function<void()> act) {
  happenings_.push({time_ms, next_order_++, std::move(act)});
}

void World::Log(const std::string& line) {
  log_.Update(absl::StrCat(now_ms_, " ", line, "\n"));
}

int64_t World::MessageDelay() {
  if (!healed_ && random_.Chance(faults_.slow)) return random_.Between(500, kMaxDelayMs);
  return random_.Between(1, 20);
}

// --- The coordinator -------------------------------------------------------------------------------------------------

void World::Boot() {
  const Term former = term_;
  term_ = disk_->TakeTerm().value();
  LWQ_CHECK(absl::IsAborted(disk_->Commit(former, {})), "the coordinator before could still commit");
  StatusOr<Records> records = disk_->Load();
  LWQ_CHECK(records.ok(), records.status().ToString());
  StatusOr<State> state = RestoreState(*std::move(records), options_, Now());
  if (!state.ok()) {
    checker_.Fail(now_ms_, absl::StrCat("the store cannot be loaded: ", state.status().ToString()));
    return;
  }
  state_ = std::make_unique<State>(*std::move(state));
  if (++boots_ > 1) {
    ++report_.restarts;
    if (committed_.has_value()) checker_.Restarted(testing::DescribeDurable(*state_), *committed_, now_ms_);
  }
  Log("boot");
  Deliver(Tick{}, nullptr);
}

void World::Crash(int64_t down_ms, bool committed) {
  if (state_ == nullptr) return;
  Log("crash");
  committed_ = committed ? std::optional<std::string>(testing::DescribeDurable(*state_)) : std::nullopt;
  state_.reset();
  After(down_ms, [this] { Boot(); });
}

void World::ScheduleTick() {
  const std::optional<int64_t> deadline = NextDeadline(*state_);
  if (!deadline.has_value()) return;
  const int boot = boots_;
  At(std::max(*deadline, now_ms_), [this, boot] {
    if (state_ == nullptr || boots_ != boot) return;
    const std::optional<int64_t> due = NextDeadline(*state_);
    if (due.has_value() && *due <= now_ms_) Deliver(Tick{}, nullptr);
  });
}

void World::Deliver(const Event& original, const OnReply& reply) {
  if (state_ == nullptr) return;  // the connection is refused
  Event event = original;
  Mutate(original, event);
  std::optional<TaskRecord> before;
  if (const auto* report = std::get_if<ReportTask>(&original)) {
    const auto task = state_->tasks.find(report->task);
    if (task != state_->tasks.end()) before = task->second.record;
  }
  const size_t quarantined = state_->health.ends().size();
  Effects effects = Step(*state_, event, Now());
  ++report_.steps;
  if (state_->health.ends().size() > quarantined) ++report_.quarantines;
  const auto* given = std::get_if<LeaseReply>(&effects.reply);
  if (given != nullptr && given->lease.has_value()) {
    const TaskRecord& leased = state_->tasks.at(given->lease->task).record;
    if (IsDuplicated(leased) && leased.token == given->lease->token) ++report_.duplicates;
  }
  Log(absl::StrCat("step ", event.index(), " ", effects.changes.size(), " ", effects.status.ToString()));
  checker_.AfterStep(*state_, original, before, effects, now_ms_);
  MutateState();
  const bool changes = !effects.changes.empty();
  if (changes && !healed_ && random_.Chance(faults_.crash_before_commit)) {
    if (mutant_ == Mutant::kReplyBeforeCommit && reply) reply(effects.status, effects.reply);
    Crash(random_.Between(10, 1500), /*committed=*/false);
    return;
  }
  MutateEffects(effects);
  const Status committed = disk_->Commit(term_, effects.changes);
  LWQ_CHECK(committed.ok(), committed.ToString());
  checker_.AfterCommit(*state_, effects, now_ms_);
  if (changes && !healed_ && random_.Chance(faults_.crash_after_commit)) {
    Crash(random_.Between(10, 1500), /*committed=*/true);
    return;
  }
  ScheduleTick();
  if (reply) reply(effects.status, effects.reply);
}

void World::Arrive(const Event& event, const OnReply& reply) {
  Event prepared = event;
  std::span<SubmitRun> submissions;
  if (auto* one = std::get_if<SubmitRun>(&prepared)) submissions = std::span(one, 1);
  if (auto* several = std::get_if<SubmitRuns>(&prepared)) submissions = several->runs;
  if (submissions.empty() || state_ == nullptr) return Deliver(event, reply);
  testing::DirectReader reader(*state_);
  LWQ_CHECK(PrepareRuns(reader, submissions).ok());
  const int boot = boots_;
  After(random_.Between(0, 100), [this, prepared, reply, boot] {
    if (boots_ == boot) Deliver(prepared, reply);
  });
}

void World::Send(const Event& event, const OnReply& reply) {
  const int copies = healed_ ? 1 : (random_.Chance(faults_.drop) ? 0 : 1) + (random_.Chance(faults_.duplicate) ? 1 : 0);
  for (int i = 0; i < copies; ++i) {
    After(MessageDelay(), [this, event, reply] {
      Arrive(event, [this, reply](const Status& status, const Reply& answer) {
        if (!healed_ && random_.Chance(faults_.drop)) return;
        After(MessageDelay(), [reply, status, answer] { reply(status, answer); });
      });
    });
  }
}

// --- Workers ---------------------------------------------------------------------------------------------------------

void World::InWorker(size_t index, int incarnation, std::function<void()> act) {
  const SimWorker& worker = workers_[index];
  if (!worker.up || worker.incarnation != incarnation) return;
  if (worker.paused_until_ms > now_ms_) {
    At(worker.paused_until_ms, [this, index, incarnation, act = std::move(act)] { InWorker(index, incarnation, act); });
    return;
  }
  act();
}

void World::StartWorker(size_t index) {
  SimWorker& worker = workers_[index];
  const std::string name = worker.name;
  const int incarnation = worker.incarnation + 1;
  worker = SimWorker();
  worker.name = name;
  worker.incarnation = incarnation;
  worker.up = true;
  Proceed(index);
  After(kHeartbeatMs,
        [this, index, incarnation] { InWorker(index, incarnation, [=, this] { Beat(index, incarnation); }); });
}

void World::KillWorker(size_t index, bool rename) {
  if (!workers_[index].up) return;
  ++report_.kills;
  workers_[index].up = false;
  if (rename) workers_[index].name += "'";
  After(random_.Between(10, 2000), [this, index] { StartWorker(index); });
}

void World::Call(size_t index, const Event& event, const OnReply& reply) {
  SimWorker& worker = workers_[index];
  const int64_t call = ++worker.call;
  const int incarnation = worker.incarnation;
  Send(event, [=, this](const Status& status, const Reply& answer) {
    InWorker(index, incarnation, [=, this] {
      if (workers_[index].call != call) return;  // a late or second answer
      ++workers_[index].call;
      reply(status, answer);
    });
  });
  After(kCallTimeoutMs, [=, this] {
    InWorker(index, incarnation, [=, this] {
      if (workers_[index].call == call) Proceed(index);
    });
  });
}

void World::Proceed(size_t index) {
  SimWorker& worker = workers_[index];
  const int incarnation = worker.incarnation;
  const auto again = [=, this](int64_t delay_ms) {
    After(delay_ms, [=, this] { InWorker(index, incarnation, [=, this] { Proceed(index); }); });
  };
  if (worker.id.value.empty()) {
    WorkerRecord record = testing::WorkerNamed(worker.name);
    record.cache_bytes = index % 2 == 0 ? 1000 : 0;  // about ten artifacts, or none
    Call(index, RegisterWorker{record}, [=, this](const Status& status, const Reply& reply) {
      if (status.ok()) workers_[index].id = std::get<RegisterReply>(reply).worker;
      again(status.ok() ? 0 : 100);
    });
  } else if (worker.report.has_value()) {
    ReportTask report = *worker.report;
    report.worker = worker.id;  // it may have registered anew since
    Call(index, report, [=, this](const Status& status, const Reply& reply) {
      SimWorker& self = workers_[index];
      if (absl::IsNotFound(status)) {
        self.id = WorkerId();
      } else {
        self.report.reset();  // taken, or stale: dropped
        const auto* lease = std::get_if<LeaseReply>(&reply);
        if (status.ok() && lease != nullptr && lease->lease.has_value()) {
          Take(index, *lease->lease);
          return;
        }
      }
      again(0);
    });
  } else if (!worker.lease.has_value()) {
    Call(index, LeaseTask{worker.id}, [=, this](const Status& status, const Reply& reply) {
      SimWorker& self = workers_[index];
      if (absl::IsNotFound(status)) self.id = WorkerId();
      const auto* lease = std::get_if<LeaseReply>(&reply);
      if (status.ok() && lease != nullptr && lease->lease.has_value()) {
        Take(index, *lease->lease);
      } else {
        again(50);
      }
    });
  }
}

void World::Take(size_t index, const Lease& lease) {
  SimWorker& worker = workers_[index];
  worker.lease = lease;
  checker_.LeaseDelivered(worker.id, lease, now_ms_);
  worker.step = 0;
  worker.checkpoint.reset();
  // One that is gone, or damaged, is as if there were none.
  if (lease.checkpoint.has_value() && objects_.contains(lease.checkpoint->artifact.digest)) {
    worker.step = lease.checkpoint->step;
    ++report_.gone_on;
  }
  if (mutant_ == Mutant::kGrantTwice && workers_.size() > 1 && random_.Chance(0.1)) {
    SimWorker& other = workers_[(index + 1) % workers_.size()];
    if (other.up && !other.id.value.empty()) checker_.LeaseDelivered(other.id, lease, now_ms_);
  }
  const int incarnation = worker.incarnation;
  const bool slow = !healed_ && faults_.slow_last && index > 0 && index + 1 == workers_.size();
  After(random_.Between(5, 600) * (slow ? 10 : 1), [=, this, token = lease.token] {
    InWorker(index, incarnation, [=, this] { FinishExecution(index, incarnation, token); });
  });
  if (lease.def->kind == TaskKind::kTrainBlock) SaveExecution(index, incarnation, lease.token);
}

void World::SaveExecution(size_t index, int incarnation, uint64_t token) {
  After(50, [=, this] {
    InWorker(index, incarnation, [=, this] {
      SimWorker& worker = workers_[index];
      if (!worker.lease.has_value() || worker.lease->token != token) return;
      ++worker.step;
      if (random_.Chance(faults_.checkpoint)) {
        const Lease& lease = *worker.lease;
        const ArtifactRef artifact = testing::NamedArtifact(
            absl::StrCat("checkpoint ", lease.task.hex(), " ", lease.token, " ", report_.checkpoints));
        worker.checkpoint = StoredCheckpoint{artifact, worker.step, 1000};
        objects_.insert(artifact.digest);
        checker_.CheckpointStored(artifact.digest, lease);
        ++report_.checkpoints;
      }
      SaveExecution(index, incarnation, token);
    });
  });
}

void World::FinishExecution(size_t index, int /*incarnation*/, uint64_t token) {
  SimWorker& worker = workers_[index];
  if (!worker.lease.has_value() || worker.lease->token != token) return;  // dropped on the way
  const Lease lease = *worker.lease;
  ++report_.executions;
  ReportTask report;
  report.task = lease.task;
  report.token = lease.token;
  report.lease_next = random_.Chance(0.5);
  report.outcome = HonestOutcome(lease);
  report.checkpoint = worker.checkpoint;
  for (const auto& [role, input] : lease.inputs) {
    const bool leaf = std::holds_alternative<ArtifactRef>(lease.def->inputs.at(role));
    if (!leaf && !objects_.contains(input.digest)) {
      report.outcome = ReportFailure{FailureCause::kInputLost, "blob is gone", role};
    }
  }
  if (!healed_) {
    if (random_.Chance(faults_.infrastructure))
      report.outcome = ReportFailure{FailureCause::kInfrastructure, "disk", ""};
    if (random_.Chance(faults_.memory)) report.outcome = ReportFailure{FailureCause::kMemory, "out of memory", ""};
    if (random_.Chance(faults_.release)) report.outcome = ReportReleased();
    if (index == 0 && workers_.size() > 1 && random_.Chance(faults_.device)) {
      report.outcome = ReportFailure{FailureCause::kDevice, "ECC error", ""};
    }
  }
  if (const auto* success = std::get_if<ReportSuccess>(&report.outcome)) {
    for (const auto& [role, output] : success->outputs) {
      objects_.insert(output.digest);
      if (discarded_.erase(output.digest) > 0) ++report_.remakes;
      checker_.ObjectMade(output);
    }
  }
  worker.lease.reset();
  worker.report = std::move(report);
  Proceed(index);
}

void World::Beat(size_t index, int incarnation) {
  SimWorker& worker = workers_[index];
  After(kHeartbeatMs, [=, this] { InWorker(index, incarnation, [=, this] { Beat(index, incarnation); }); });
  if (worker.id.value.empty()) return;
  Heartbeat beat;
  beat.worker = worker.id;
  beat.discarded.assign(worker.deleted.begin(), worker.deleted.end());
  if (worker.lease.has_value()) {
    TaskProgress progress;
    progress.task = worker.lease->task;
    progress.token = worker.lease->token;
    if (random_.Chance(0.1)) progress.log_lines = {"a line"};
    progress.checkpoint = worker.checkpoint;
    beat.tasks.push_back(std::move(progress));
  }
  Send(beat, [=, this](const Status& status, const Reply& reply) {
    InWorker(index, incarnation, [=, this] {
      SimWorker& self = workers_[index];
      if (absl::IsNotFound(status) && self.id == beat.worker) self.id = WorkerId();
      const auto* lost = std::get_if<HeartbeatReply>(&reply);
      if (!status.ok() || lost == nullptr) return;
      for (const Digest& told : beat.discarded) self.deleted.erase(told);
      for (const ArtifactRef& artifact : lost->discard) {
        const bool own = !beat.tasks.empty() && beat.tasks[0].checkpoint.has_value() &&
                         beat.tasks[0].checkpoint->artifact == artifact;
        if (own) ++report_.checkpoints_refused;
        Delete(index, artifact);
      }
      for (const LostLease& one : lost->lost) {
        if (!self.lease.has_value() || self.lease->task != one.task || self.lease->token != one.token) continue;
        self.lease.reset();
        Proceed(index);
      }
    });
  });
}

void World::Delete(size_t index, const ArtifactRef& artifact) {
  SimWorker& worker = workers_[index];
  if (worker.deleted.contains(artifact.digest) || !worker.deleting.insert(artifact.digest).second) return;
  const int incarnation = worker.incarnation;
  After(random_.Between(1, 300), [=, this] {
    InWorker(index, incarnation, [=, this] {
      if (state_ != nullptr) checker_.Deleting(*state_, artifact.digest, now_ms_);
      if (objects_.erase(artifact.digest) > 0) ++report_.discards;
      discarded_.insert(artifact.digest);
      workers_[index].deleting.erase(artifact.digest);
      workers_[index].deleted.insert(artifact.digest);
    });
  });
}

// --- Clients and misfortunes -----------------------------------------------------------------------------------------

void World::SubmitUntilAnswered(size_t index) {
  SimRun& run = runs_[index];
  if (run.id.has_value()) return;
  const auto answered = [this](size_t which, const RunId& id) {
    checker_.SubmissionAcknowledged(runs_[which].request_id, id, now_ms_);
    runs_[which].id = id;
  };
  // Every other run comes together with the one before it, which may be there already.
  const bool together = index % 2 == 1;
  const SubmitRun alone{run.spec, run.request_id};
  const Event event =
      together ? Event(SubmitRuns{{{runs_[index - 1].spec, runs_[index - 1].request_id}, alone}}) : Event(alone);
  Send(event, [=, this](const Status& status, const Reply& reply) {
    if (!status.ok()) {
      checker_.Fail(now_ms_, absl::StrCat("a submission was refused: ", status.ToString()));
      return;
    }
    if (together) {
      const std::vector<RunId>& ids = std::get<RunsReply>(reply).runs;
      answered(index - 1, ids.at(0));
      answered(index, ids.at(1));
    } else {
      answered(index, std::get<RunReply>(reply).run);
    }
  });
  After(kCallTimeoutMs, [this, index] { SubmitUntilAnswered(index); });
}

void World::SubmitSweepUntilAnswered() {
  if (sweep_->id.has_value()) return;
  Send(sweep_->submission, [this](const Status& status, const Reply& reply) {
    if (!status.ok()) {
      checker_.Fail(now_ms_, absl::StrCat("the sweep was refused: ", status.ToString()));
      return;
    }
    const SweepId id = std::get<SweepReply>(reply).sweep;
    if (sweep_->id.has_value() && *sweep_->id != id) checker_.Fail(now_ms_, "one request names two sweeps");
    sweep_->id = id;
  });
  After(kCallTimeoutMs, [this] { SubmitSweepUntilAnswered(); });
}

void World::MeddleWithSweep() {
  if (!sweep_.has_value() || !sweep_->id.has_value()) return;
  const auto nothing = [](const Status&, const Reply&) {};
  if (random_.Chance(faults_.pause)) Send(PauseSweep{sweep_->id->value, random_.Chance(0.5)}, nothing);
  if (state_ == nullptr || !state_->sweeps.contains(*sweep_->id)) return;
  for (const SweepRecord::Member& member : state_->sweeps.at(*sweep_->id).members) {
    // Refused until the halving has ended, so that no decision changes.
    if (random_.Chance(faults_.erase / 4)) {
      checker_.DeletionAsked(member.run);
      checker_.DeletionAsked(*sweep_->id);  // it may be the last
      sweep_->delete_asked = true;
      Send(DeleteRun{member.run.value, /*force=*/true}, [this](const Status& status, const Reply&) {
        if (status.ok()) ++report_.deletions;
      });
    }
    if (random_.Chance(faults_.cancel)) {
      sweep_->touched = true;
      Send(CancelRun{member.run.value}, nothing);
    }
    if (state_->runs.at(member.run).record.state == RunState::kStopped && random_.Chance(faults_.cancel)) {
      sweep_->touched = true;
      Send(PauseRun{member.run.value, false}, nothing);
    }
  }
}

bool World::SweepHasEnded() const {
  if (!sweep_.has_value()) return true;
  if (!sweep_->id.has_value()) return false;
  if (!state_->sweeps.contains(*sweep_->id)) return sweep_->delete_asked;
  const std::vector<SweepRecord::Member>& members = state_->sweeps.at(*sweep_->id).members;
  return std::all_of(members.begin(), members.end(),
                     [&](const SweepRecord::Member& member) { return HasEnded(*state_, state_->runs.at(member.run)); });
}

void World::Misfortunes() {
  if (now_ms_ >= kFaultsMs) {
    healed_ = true;
    Log("healed");
    ResumeAll();
    return;
  }
  if (random_.Chance(faults_.crash_idle)) Crash(random_.Between(10, 3000), /*committed=*/true);
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (random_.Chance(faults_.worker_kill)) KillWorker(i, /*rename=*/false);
    if (random_.Chance(faults_.worker_kill_renamed)) KillWorker(i, /*rename=*/true);
    if (random_.Chance(faults_.worker_pause))
      workers_[i].paused_until_ms = now_ms_ + random_.Between(kLeaseMs / 2, 4 * kLeaseMs);
  }
  if (!objects_.empty() && random_.Chance(faults_.evict)) {
    const auto lost = std::next(objects_.begin(), random_.Between(0, static_cast<int64_t>(objects_.size()) - 1));
    const Digest artifact = *lost;
    objects_.erase(lost);
    // Half of what is lost is found by a verification, the rest by who reads it.
    if (random_.Chance(0.5)) Deliver(LoseArtifacts{{artifact}}, nullptr);
  }
  for (SimRun& run : runs_) {
    if (run.id.has_value()) Meddle(run);
  }
  MeddleWithSweep();
  After(100, [this] { Misfortunes(); });
}

void World::Meddle(SimRun& run) {
  const std::string id = run.id->value;
  if (random_.Chance(faults_.pause)) {
    Send(PauseRun{id, random_.Chance(0.5)}, [](const Status&, const Reply&) {});
  }
  if (random_.Chance(faults_.cancel)) {
    run.cancel_asked = true;
    Send(CancelRun{id}, [](const Status&, const Reply&) {});
  }
  if (random_.Chance(faults_.erase)) {
    run.delete_asked = true;
    checker_.DeletionAsked(*run.id);
    Send(DeleteRun{id, /*force=*/true}, [this](const Status& status, const Reply&) {
      if (status.ok()) ++report_.deletions;
    });
  }
  if (random_.Chance(faults_.remake) && state_ != nullptr) {
    const auto known = state_->runs.find(*run.id);
    if (known == state_->runs.end() || !known->second.record.result.exported.has_value()) return;
    objects_.erase(known->second.record.result.exported->digest);
    Send(RemakeArtifact{id, {}}, [this](const Status& status, const Reply&) {
      if (status.ok()) ++report_.restored;
    });
  }
}

// Again and again: a pause may still be under way.
void World::ResumeAll() {
  for (const SimRun& run : runs_) {
    if (run.id.has_value()) Send(PauseRun{run.id->value, false}, [](const Status&, const Reply&) {});
  }
  if (sweep_.has_value() && sweep_->id.has_value()) {
    Send(PauseSweep{sweep_->id->value, false}, [](const Status&, const Reply&) {});
  }
  After(2000, [this] { ResumeAll(); });
}

void World::Next() {
  const Happening next = happenings_.top();
  happenings_.pop();
  now_ms_ = std::max(now_ms_, next.time_ms);
  next.act();
}

void World::Pass(int64_t ms) {
  const int64_t end_ms = now_ms_ + ms;
  while (!happenings_.empty() && happenings_.top().time_ms <= end_ms && checker_.violation().empty()) Next();
  now_ms_ = std::max(now_ms_, end_ms);
}

void World::DeleteAll() {
  Pass(2 * kMaxDelayMs);  // what is under way, submissions among it, arrives
  if (state_ == nullptr) return checker_.Fail(now_ms_, "the coordinator does not come back");
  for (const auto& [id, run] : state_->runs) checker_.DeletionAsked(id);
  for (const auto& [id, sweep] : state_->sweeps) checker_.DeletionAsked(id);
  if (random_.Chance(0.5)) {
    for (const auto& [id, sweep] : std::map(state_->sweeps)) Deliver(DeleteSweep{id.value, /*force=*/true}, nullptr);
  }
  for (const auto& [id, run] : std::map(state_->runs)) Deliver(DeleteRun{id.value, /*force=*/true}, nullptr);
  Pass(20 * kHeartbeatMs + 4 * kMaxDelayMs);
  checker_.AllDeleted(*state_, *disk_->Load(), objects_, now_ms_);
}

// --- A life ----------------------------------------------------------------------------------------------------------

WorldReport World::Run() {
  Boot();
  for (size_t i = 0; i < workers_.size(); ++i) After(random_.Between(0, 2000), [this, i] { StartWorker(i); });
  for (size_t i = 0; i < runs_.size(); ++i) After(random_.Between(0, 6000), [this, i] { SubmitUntilAnswered(i); });
  if (sweep_.has_value()) After(random_.Between(0, 6000), [this] { SubmitSweepUntilAnswered(); });
  After(100, [this] { Misfortunes(); });

  const auto all_ended = [&] {
    return healed_ && state_ != nullptr && state_->remaking_runs.empty() &&
           std::all_of(runs_.begin(), runs_.end(),
                       [&](const SimRun& run) {
                         if (!run.id.has_value()) return false;
                         const auto known = state_->runs.find(*run.id);
                         return known == state_->runs.end() ? run.delete_asked : IsTerminal(known->second.record.state);
                       }) &&
           SweepHasEnded();
  };
  while (!happenings_.empty() && now_ms_ < kDeadlineMs && checker_.violation().empty() && !all_ended()) Next();
  if (checker_.violation().empty()) {
    static std::map<std::string, RunRecord> references;  // by spec: the same few appear in every world
    for (const SimRun& run : runs_) {
      if (run.id.has_value() && run.delete_asked && state_ != nullptr && !state_->runs.contains(*run.id)) continue;
      if (!run.id.has_value() || state_ == nullptr || !state_->runs.contains(*run.id)) {
        checker_.Fail(now_ms_, absl::StrCat(run.request_id, " was never accepted"));
        continue;
      }
      const std::string spec = CanonicalJson(RunSpecToJson(run.spec));
      if (!references.contains(spec)) references.emplace(spec, UndisturbedRun(run.spec));
      checker_.RunEnded(*state_, *run.id, references.at(spec), run.cancel_asked, now_ms_);
      ++report_.runs;
      if (state_->runs.at(*run.id).record.state == RunState::kSucceeded) ++report_.runs_succeeded;
    }
    if (sweep_.has_value()) {
      if (state_ == nullptr || !SweepHasEnded()) {
        checker_.Fail(now_ms_, "the sweep did not end");
      } else if (state_->sweeps.contains(*sweep_->id)) {
        checker_.SweepEnded(*state_, *sweep_->id, UndisturbedSweep(sweep_->submission), sweep_->touched, now_ms_);
        for (const SweepRecord::Member& member : state_->sweeps.at(*sweep_->id).members) {
          if (state_->runs.at(member.run).record.state == RunState::kStopped) ++report_.runs_stopped;
        }
      }
    }
  }
  if (state_ != nullptr && !state_->remaking_runs.empty()) checker_.Fail(now_ms_, "a result is still being made again");
  if (checker_.violation().empty()) DeleteAll();
  report_.violation = checker_.violation();
  if (state_ != nullptr) log_.Update(testing::DescribeDurable(*state_));
  report_.log_digest = log_.Finish().hex();
  return report_;
}

WorldReport SimulateWorld(uint64_t seed, Mutant mutant) {
  return World(seed, mutant).Run();
}

}  // namespace lwq::coordinator::simulation
