// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/restore.h"

#include <algorithm>

#include "common/task/numerics_class.h"
#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/indexing.h"
#include "coordinator/scheduler/state/learning.h"
#include "coordinator/scheduler/state/retention.h"

namespace lwq::coordinator {
namespace {

Status Inconsistent(std::string_view what) {
  return absl::DataLossError(
      absl::StrCat("the store is inconsistent: ", what, "; restore a backup, or move the file away to start empty"));
}

// A run with a result that is made again wants that task, and of the tasks before it those that are not done: each of
// them was wanted when the one after it found it missing.
void WantForRemake(State& state, const RunEntry& run) {
  std::map<Digest, size_t> positions;
  for (size_t position = 0; position < run.tasks.size(); ++position) positions[run.tasks[position].key] = position;
  std::vector<Digest> missing = {run.record.remaking};
  while (!missing.empty()) {
    const auto position = positions.find(missing.back());
    missing.pop_back();
    if (position == positions.end()) continue;
    TaskEntry& task = state.tasks.at(position->first);
    if (!IsLive(task.record) || !task.wanted_by.emplace(run.record.sequence, position->second).second) continue;
    for (const auto& [role, input] : task.record.def->inputs) {
      if (const auto* made = std::get_if<TaskOutputRef>(&input)) missing.push_back(made->derivation_key);
    }
  }
}

Status RestoreRuns(State& state, Records& records) {
  for (RunRecord& record : records.runs) {
    RunEntry run;
    const RunId id = record.id;
    if (record.spec->model.has_value() && TraitsOf(record.recipe.method).needs_model) {
      StatusOr<LlamaConfig> config = LlamaConfig::Parse(record.spec->model->config_json);
      if (!config.ok()) return Inconsistent(absl::StrCat("model of run ", id.value, ": ", MessageOf(config.status())));
      run.model = std::make_shared<const LlamaConfig>(*std::move(config));
    }
    if (record.kind_bases.empty()) record.kind_bases = UniformBases(BaseOf(record.numerics_class));  // of version 1
    auto plan = PlanOfRun(*record.spec, run.model.get(), record.recipe, record.measurements);
    // A run whose plan came out impossible has failed for that; it is shown without one.
    if (!plan.ok() && !IsTerminal(record.state)) {
      return Inconsistent(absl::StrCat("plan of run ", id.value, ": ", MessageOf(plan.status())));
    }
    if (plan.ok()) run.plan = *std::move(plan);
    const auto tasks = records.run_tasks.find(id);
    if (tasks != records.run_tasks.end()) run.tasks = std::move(tasks->second);
    IndexResults(run);
    state.next_run_sequence = std::max(state.next_run_sequence, record.sequence + 1);
    state.runs_by_sequence[record.sequence] = id;
    if (record.state == RunState::kPending) state.pending_runs.insert(record.sequence);
    run.record = std::move(record);
    if (run.record.state == RunState::kRunning) {
      CountRunning(state, run.record, +1);
      auto graph = GraphOf(run);
      if (graph.ok() && HasTasksOf(run, *graph)) {
        run.pending = std::move(graph->pending);
      } else {
        state.outdated_runs.insert(run.record.sequence);
      }
    }
    state.inputs.Add(*run.record.spec);
    IndexBases(state, state.runs.emplace(id, std::move(run)).first->second.record);
  }
  for (LogRecord& line : records.logs) {
    state.next_log = std::max(state.next_log, line.sequence + 1);
    const auto run = state.runs.find(line.run);
    if (run != state.runs.end()) run->second.logs.push_back(std::move(line));
  }
  return absl::OkStatus();
}

void RestoreWorkers(State& state, Records& records, Instant now) {
  state.next_worker = records.next_worker;
  for (WorkerRecord& record : records.workers) {
    WorkerEntry worker;
    const WorkerId id = record.id;
    worker.record = std::move(record);
    worker.last_seen_ms = now.steady_ms;
    worker.heard = false;
    if (!worker.record.name.empty()) state.workers_by_name[worker.record.name] = id;
    const auto [it, added] = state.workers.emplace(id, std::move(worker));
    SetWorkerDeadline(state, it->second, now.steady_ms + state.options.lease_ms);
  }
  state.missed_workers_due_ms = now.steady_ms + state.options.lease_ms;
}

// Active runs want their tasks; tasks know who reads them.
Status LinkTasks(State& state) {
  for (auto& [id, run] : state.runs) {
    for (size_t position = 0; position < run.tasks.size(); ++position) {
      const auto task = state.tasks.find(run.tasks[position].key);
      if (task == state.tasks.end()) {
        return Inconsistent(absl::StrCat("run ", id.value, " has task ", run.tasks[position].key.short_hex(),
                                         ", which does not exist"));
      }
      task->second.runs.insert(run.record.sequence);
      if (run.record.state == RunState::kRunning) task->second.wanted_by[run.record.sequence] = position;
    }
    if (run.record.remaking.is_zero()) continue;
    state.remaking_runs.insert(run.record.sequence);
    WantForRemake(state, run);
  }
  for (const auto& [key, task] : state.tasks) {
    for (const auto& [role, input] : task.record.def->inputs) {
      const auto* made = std::get_if<TaskOutputRef>(&input);
      if (made != nullptr && !state.tasks.contains(made->derivation_key)) {
        return Inconsistent(
            absl::StrCat("task ", key.short_hex(), " reads '", role, "' of a task that does not exist"));
      }
    }
    LinkConsumers(state, task.record);
    if (task.runs.empty()) state.orphans.insert(key);
  }
  return absl::OkStatus();
}

Status IndexTasks(State& state, Instant now) {
  for (auto& [key, task] : state.tasks) {
    const TaskRecord& record = task.record;
    if (record.state == TaskState::kLeased) {
      if (!state.workers.contains(record.worker)) {
        return Inconsistent(
            absl::StrCat("task ", key.short_hex(), " is leased by unknown worker ", record.worker.value));
      }
      task.leased_at_ms = now.steady_ms;
      task.charged_from_ms = now.steady_ms;
      const std::optional<ReadyQueue::Place> place = PlaceOf(state, task);
      if (place.has_value()) task.place = *place;
      state.shares.Begin(task.place.project, task.charged_seconds);
      task.expected_bytes = ExpectedActivationBytes(state, task);
      state.activations.Expect(task.place.project, task.expected_bytes);
    }
    if (record.state == TaskState::kSucceeded && !state.actions.contains(record.action_key)) {
      return Inconsistent(absl::StrCat("task ", key.short_hex(), " succeeded but its result is missing"));
    }
    if (record.state == TaskState::kBlocked) state.unsettled.insert(key);
    IndexTask(state, task);
  }
  return absl::OkStatus();
}

// Whether the halving is of the sweep's runs: of all of them or, once it has ended, of those and others that were
// deleted.
bool IsOf(const HalvingSweep& halving, const SweepRecord& sweep) {
  const std::vector<SweepRecord::Member>& members = sweep.members;
  const int64_t runs = sweep.halving->rule.runs;
  int64_t next = 0;
  for (const SweepRecord::Member& member : members) {
    if (member.place < next || member.place >= runs) return false;
    next = member.place + 1;
  }
  return halving.ended() || std::ssize(members) == runs;
}

}  // namespace

StatusOr<State> RestoreState(Records records, const SchedulerOptions& options, Instant now) {
  State state;
  state.options = options;
  state.now_ms = now.steady_ms;
  state.shares.Configure(options.projects);
  state.health.Configure(options.quarantine_ms);
  state.token_floor = records.token_floor;
  LWQ_RETURN_IF_ERROR(RestoreRuns(state, records));
  RestoreWorkers(state, records, now);
  for (ActionRecord& action : records.actions) {
    const Digest key = action.key;
    state.actions.emplace(key, std::move(action));
  }
  for (TaskRecord& record : records.tasks) {
    TaskEntry task;
    task.record = std::move(record);
    task.record.older.reset();
    task.record.only_older = false;
    const Digest key = task.record.key;
    state.tasks.emplace(key, std::move(task));
  }
  for (RequestRecord& request : records.requests) {
    const auto run = state.runs.find(request.run);
    if (run != state.runs.end()) run->second.request_id = request.request_id;
    const std::string id = request.request_id;
    state.requests.emplace(id, std::move(request));
  }
  for (SweepRecord& sweep : records.sweeps) {
    for (const SweepRecord::Member& member : sweep.members) {
      if (state.runs.contains(member.run)) continue;
      return Inconsistent(
          absl::StrCat("sweep ", sweep.id.value, " has run ", member.run.value, ", which does not exist"));
    }
    if (sweep.halving.has_value()) {
      const StatusOr<HalvingSweep> replayed = ReplayHalving(sweep.halving->rule, sweep.rung_results);
      if (!replayed.ok() || !IsOf(*replayed, sweep)) {
        return Inconsistent(absl::StrCat("halving of sweep ", sweep.id.value, ": ",
                                         replayed.ok() ? "it is of other runs" : MessageOf(replayed.status())));
      }
    }
    IndexSweep(state, std::move(sweep));
  }
  LWQ_RETURN_IF_ERROR(LinkTasks(state));
  LWQ_RETURN_IF_ERROR(IndexTasks(state, now));
  for (auto& [id, run] : state.runs) {
    run.counts = CountTasks(state, run);
    if (run.record.state == RunState::kRunning) run.unfinished = CountUnfinished(state, run);
    run.task_revisions.assign(run.tasks.size(), Revise(state, run));
  }
  LearnFromStored(state);
  for (const auto& [id, worker] : state.workers) {
    if (!worker.lease.has_value()) continue;
    TaskEntry& task = state.tasks.at(*worker.lease);
    SetExecutionDeadline(state, task, ExecutionDeadline(state, task));
    SetStragglerTime(state, task, StragglerTime(state, task));
  }
  RestoreLedger(state, records.discarded);
  for (const auto& [id, run] : state.runs) {
    if (IsTerminal(run.record.state)) ScheduleRetention(state, run, now);
  }
  return state;
}

}  // namespace lwq::coordinator
