// SPDX-License-Identifier: Apache-2.0
// Results of runs that have succeeded and are gone from the object store: made again while the run stays as it ended.
// docs/adr/0025-lost-results.md has the reasons.
//
// The run wants the task that made the result, and from there back along the chain only what turns out to be missing: a
// task that is about to be executed wants the tasks whose outputs it lacks (WantMissingInputs), and so does one whose
// worker finds an input gone. Everything else is as for a run that is running.
#include <algorithm>

#include "common/text/one_line.h"
#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/indexing.h"
#include "coordinator/scheduler/state/retention.h"
#include "coordinator/scheduler/step/stepper.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMaxRemakeErrorBytes = 2000;

size_t PositionOf(const RunEntry& run, const Digest& task) {
  const auto planned =
      std::find_if(run.tasks.begin(), run.tasks.end(), [&](const RunTaskRecord& one) { return one.key == task; });
  LWQ_CHECK(planned != run.tasks.end(), "run ", run.record.id.value, " has no task ", task.short_hex());
  return static_cast<size_t>(planned - run.tasks.begin());
}

bool IsExport(const RunTaskRecord& planned) {
  return planned.purpose == TaskPurpose::kExport;
}

}  // namespace

Status Stepper::On(const RemakeArtifact& event) {
  LWQ_ASSIGN_OR_RETURN(const RunId id, FindRun(state_, event.run_id));
  RunEntry& run = state_.runs.at(id);
  const auto refuse = [&](std::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat("run ", id.value, " ", why));
  };
  if (run.record.state != RunState::kSucceeded) {
    return refuse(absl::StrCat("is ", RunStateName(run.record.state),
                               ": only results of a run that has succeeded are made again"));
  }
  LWQ_ASSIGN_OR_RETURN(const size_t position, FindResult(run, event.artifact));
  const RunTaskRecord& planned = run.tasks[position];
  effects_.reply = RunReply{id};
  if (run.record.remaking == planned.key) return absl::OkStatus();
  if (!run.record.remaking.is_zero()) {
    return refuse("has another result that is being made again: wait until it is there");
  }
  const StatusOr<RunGraph> graph = GraphOf(run);
  if (!graph.ok() || !HasTasksOf(run, *graph)) {
    return refuse("was made by another version, which gives its tasks other names: submit it again");
  }
  run.record.remaking = planned.key;
  run.remake_error.clear();
  state_.remaking_runs.insert(run.record.sequence);
  LogRun(run, planned.title, "", "its result is gone from the object store: it is made again");
  SaveRun(run);
  Want(run, position);
  Rewind(planned.key);
  return absl::OkStatus();
}

StatusOr<size_t> Stepper::FindResult(const RunEntry& run, const Digest& artifact) const {
  const std::optional<ArtifactRef>& exported = run.record.result.exported;
  const bool asks_for_export = artifact.is_zero() || (exported.has_value() && exported->digest == artifact);
  for (size_t position = 0; position < run.tasks.size(); ++position) {
    const RunTaskRecord& planned = run.tasks[position];
    if (asks_for_export && IsExport(planned)) return position;
    const TaskRecord& task = state_.tasks.at(planned.key).record;
    if (asks_for_export || task.state != TaskState::kSucceeded) continue;
    for (const auto& [role, output] : state_.actions.at(task.action_key).outputs) {
      if (output.digest == artifact) return position;
    }
  }
  return absl::NotFoundError(absl::StrCat("run ", run.record.id.value, " has no ",
                                          artifact.is_zero() ? "export" : absl::StrCat("result ", artifact.hex())));
}

void Stepper::Want(RunEntry& run, size_t position) {
  TaskEntry& task = state_.tasks.at(run.tasks[position].key);
  if (!task.wanted_by.emplace(run.record.sequence, position).second) return;
  Apply(task, WantedAgain{});
  RequeueTask(state_, task);
}

void Stepper::WantMissingInputs(const TaskEntry& task) {
  for (const auto& [sequence, position] : task.wanted_by) {
    if (!state_.remaking_runs.contains(sequence)) continue;
    RunEntry& run = RunAt(sequence);
    for (const auto& [role, input] : task.record.def->inputs) {
      if (ReadableContentOf(state_, input).has_value()) continue;
      Want(run, PositionOf(run, std::get<TaskOutputRef>(input).derivation_key));
    }
  }
}

void Stepper::FinishRemake(RunEntry& run) {
  const size_t position = PositionOf(run, run.record.remaking);
  const TaskRecord& task = state_.tasks.at(run.record.remaking).record;
  if (task.state != TaskState::kSucceeded) return;
  const bool differs = IsExport(run.tasks[position]) &&
                       state_.actions.at(task.action_key).outputs.at("files") != run.record.result.exported;
  EndRemake(run, differs ? "what was made is not what it was: a task's bytes are not reproducible here" : "");
}

void Stepper::EndRemake(RunEntry& run, const std::string& error) {
  const std::string title = run.tasks[PositionOf(run, run.record.remaking)].title;
  run.record.remaking = Digest();
  run.remake_error = OneLine(error, kMaxRemakeErrorBytes);
  run.waiting_reason.clear();
  state_.remaking_runs.erase(run.record.sequence);
  LogRun(run, title, "", error.empty() ? "made again" : absl::StrCat("not made again: ", run.remake_error));
  SaveRun(run);
  LetGoOfTasks(run);
  ScheduleRetention(state_, run, now_);
}

}  // namespace lwq::coordinator
