// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/visible.h"

#include <algorithm>

namespace lwq::coordinator {

StatusOr<RunId> VisibleRun(const State& state, const Caller& caller, const std::string& id_or_prefix) {
  LWQ_ASSIGN_OR_RETURN(RunId id, FindRun(state, id_or_prefix));
  LWQ_RETURN_IF_ERROR(caller.CheckOf(absl::StrCat("run '", id.value, "'"), state.runs.at(id).record.spec->project));
  return id;
}

StatusOr<SweepId> VisibleSweep(const State& state, const Caller& caller, const std::string& id_or_prefix) {
  LWQ_ASSIGN_OR_RETURN(SweepId id, FindSweep(state, id_or_prefix));
  const std::string what = absl::StrCat("sweep '", id.value, "'");
  for (const SweepRecord::Member& member : state.sweeps.at(id).members) {
    LWQ_RETURN_IF_ERROR(caller.CheckOf(what, state.runs.at(member.run).record.spec->project));
  }
  return id;
}

bool MaySee(const State& state, const Caller& caller, const SweepRecord& sweep) {
  if (caller.projects().all()) return true;
  return std::all_of(sweep.members.begin(), sweep.members.end(), [&](const SweepRecord::Member& member) {
    return caller.MaySee(state.runs.at(member.run).record.spec->project);
  });
}

Status CheckProjects(const Caller& caller, std::span<const SubmitRun> runs) {
  for (const SubmitRun& run : runs) LWQ_RETURN_IF_ERROR(caller.CheckNamed(run.spec.project));
  return absl::OkStatus();
}

bool MaySee(const State& state, const Caller& caller, const TaskEntry& task) {
  if (caller.projects().all()) return true;
  return std::any_of(task.wanted_by.begin(), task.wanted_by.end(), [&](const auto& wanted) {
    return caller.MaySee(state.runs.at(state.runs_by_sequence.at(wanted.first)).record.spec->project);
  });
}

Status CheckWorker(const State& state, const Caller& caller, const WorkerId& worker) {
  if (caller.anybody()) return absl::OkStatus();
  const auto found = state.workers.find(worker);
  if (found == state.workers.end() || found->second.record.token_sha256 == caller.token_sha256()) {
    return absl::OkStatus();
  }
  const WorkerRecord& record = found->second.record;
  // One of a time when nobody was asked is anybody's.
  if (record.token_sha256.is_zero() || caller.projects().Covers(record.projects)) {
    return absl::NotFoundError(
        absl::StrCat("worker '", worker.value, "' was registered with another token: register again"));
  }
  return absl::PermissionDeniedError(absl::StrCat("worker '", worker.value, "' is of a project that token '",
                                                  caller.name(), "' is not for: it is for ", caller.projects().Text()));
}

Status CheckWorkerName(const State& state, const Caller& caller, const std::string& name) {
  if (caller.anybody() || name.empty()) return absl::OkStatus();
  const auto found = state.workers_by_name.find(name);
  if (found == state.workers_by_name.end()) return absl::OkStatus();
  const WorkerEntry& worker = state.workers.at(found->second);
  const WorkerRecord& record = worker.record;
  if (!worker.alive || record.token_sha256.is_zero() || caller.projects().Covers(record.projects)) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat("a worker of that name is alive and executes tasks for projects that token '", caller.name(),
                   "' is not for: choose another --name"));
}

}  // namespace lwq::coordinator
