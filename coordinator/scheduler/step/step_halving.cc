// SPDX-License-Identifier: Apache-2.0
// Runs of a sweep with halving: what they measured is recorded, and what follows from the journal is done.
//
// Nothing is decided here. Every step that brings a run to a rung, or to its end, appends to the journal and carries
// out what the replay of the journal says, in one transaction: a coordinator that is killed and starts again knows both
// or neither. docs/adr/0021-halving-of-sweeps.md has the reasons.
#include <cmath>
#include <cstdio>

#include "coordinator/scheduler/state/indexing.h"
#include "coordinator/scheduler/state/run_rungs.h"
#include "coordinator/scheduler/step/stepper.h"

namespace lwq::coordinator {
namespace {

std::string BlocksText(int64_t blocks) {
  return absl::StrCat(blocks, blocks == 1 ? " block" : " blocks");
}

std::string ValueText(double value) {
  if (!std::isfinite(value)) return "no number";
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", value);
  return text;
}

bool HasAllOf(const PreparedGraph& graph, const std::vector<RunTaskRecord>& tasks) {
  std::set<Digest> keys;
  for (const PreparedTask& task : graph.tasks) keys.insert(task.record.key);
  for (const RunTaskRecord& task : tasks) {
    if (!keys.contains(task.key)) return false;
  }
  return true;
}

}  // namespace

void Stepper::RecordRungs(RunEntry& run) {
  const auto halving = state_.halvings.find(run.sweep);
  if (halving == state_.halvings.end()) return;
  SweepRecord& sweep = state_.sweeps.at(run.sweep);
  const int64_t position = run.sweep_place;
  // More than one where others have trained its next blocks as well.
  while (true) {
    const HalvingPlace place = halving->second.PlaceOf(position);
    if (place.decision != HalvingDecision::kPromote) return;
    const std::optional<double> value = RungValue(state_, run, *sweep.halving, place.rung);
    if (!value.has_value()) return;
    RecordRung(sweep, {.run = position, .rung = place.rung, .value = *value});
  }
}

// Requires that no member was deleted: none is before the halving has ended, and nothing is recorded after that.
void Stepper::RecordRung(SweepRecord& sweep, const RungResult& result) {
  HalvingSweep& halving = state_.halvings.at(sweep.id);
  const SweepHalving& rule = *sweep.halving;
  RunEntry& recorded = state_.runs.at(sweep.members[static_cast<size_t>(result.run)].run);
  LogRun(
      recorded, "", "",
      absl::StrCat(WordOf(rule.metric), " after ", BlocksText(RungBlocks(rule.rule)[static_cast<size_t>(result.rung)]),
                   ": ", ValueText(result.value)));
  const StatusOr<std::vector<Promotion>> promotions = halving.Record(result);
  LWQ_CHECK(promotions.ok(), MessageOf(promotions.status()));
  effects_.changes.push_back(AppendRungResult{sweep.id, std::ssize(sweep.rung_results), result});
  sweep.rung_results.push_back(result);
  for (const Promotion& promotion : *promotions) {
    Promote(state_.runs.at(sweep.members[static_cast<size_t>(promotion.run)].run), rule,
            halving.PlaceOf(promotion.run));
  }
  for (const SweepRecord::Member& member : sweep.members) {
    RunEntry& run = state_.runs.at(member.run);
    const HalvingPlace place = halving.PlaceOf(run.sweep_place);
    if (place.decision == HalvingDecision::kStop) StopRun(run, rule, place);
    if (halving.ended()) Revise(state_, run);  // who watches a stopped run learns that this is its end
  }
}

void Stepper::Promote(RunEntry& run, const SweepHalving& halving, const HalvingPlace& place) {
  maybe_finished_.insert(run.record.sequence);  // it may have been there before
  if (run.record.left_halving || IsTerminal(run.record.state)) return;
  run.promoted_blocks = RungBlocks(halving.rule)[static_cast<size_t>(place.rung)];
  LogRun(run, "", "", absl::StrCat("promoted: trains ", BlocksText(run.promoted_blocks)));
  if (run.record.state == RunState::kStopped) {
    GoOn(run);
    return;
  }
  for (const RunTaskRecord& planned : run.tasks) RequeueTask(state_, state_.tasks.at(planned.key));
}

void Stepper::StopRun(RunEntry& run, const SweepHalving& halving, const HalvingPlace& place) {
  const RunState is = run.record.state;
  if (run.record.left_halving || (is != RunState::kRunning && is != RunState::kPending)) return;
  LogRun(run, "", "",
         absl::StrCat("stopped after ", BlocksText(RungBlocks(halving.rule)[static_cast<size_t>(place.rung)]),
                      ": others are better by ", WordOf(halving.metric), "; lwq resume trains it through"));
  EndRun(run, RunState::kStopped);
}

void Stepper::GoOn(RunEntry& run) {
  RunRecord& record = run.record;
  record.finished_unix_ms = 0;
  if (run.tasks.empty()) {
    // It was to begin again (BeginAgain), and had not, when it was stopped.
    record.state = RunState::kPending;
    state_.pending_runs.insert(record.sequence);
    SaveRun(run);
    PinPendingRuns();
    return;
  }
  record.state = RunState::kRunning;
  CountRunning(state_, record, +1);
  StatusOr<RunGraph> graph = GraphOf(run);
  if (!graph.ok()) return FailRun(run, std::string(MessageOf(graph.status())));
  const PreparedGraph prepared = PrepareGraph(*std::move(graph));
  if (!HasAllOf(prepared, run.tasks)) {
    // Stopped by another version of the program, whose tasks have other names.
    BeginAgain(run);
    PinPendingRuns();
    return;
  }
  TakeGraph(run, prepared);
  maybe_finished_.insert(record.sequence);
  WorkerWent();  // those of its classes may be gone by now
  SaveRun(run);
}

void Stepper::LeaveHalving(RunEntry& run) {
  run.record.left_halving = true;
  run.record.paused = false;
  run.promoted_blocks = kAllBlocks;
  LogRun(run, "", "", "resumed: is trained through, whatever halving decides");
  GoOn(run);
}

}  // namespace lwq::coordinator
