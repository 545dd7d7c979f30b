// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/makespan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "common/task/task_outputs.h"
#include "coordinator/scheduler/state/restore.h"
#include "coordinator/scheduler/step/step.h"

namespace lwq::coordinator {
namespace {

const RunId kSimulatedRun{"simulated"};

// A copy of the task in which inputs that tasks outside `tasks` make count as given.
std::shared_ptr<const TaskDef> WithLeaves(const Digest& key, const TaskDef& def, const std::set<Digest>& tasks) {
  auto copy = std::make_shared<TaskDef>(def);
  for (auto& [role, input] : copy->inputs) {
    const auto* made = std::get_if<TaskOutputRef>(&input);
    if (made == nullptr || tasks.contains(made->derivation_key)) continue;
    input = ArtifactRef{.digest = DigestOf(absl::StrCat(made->derivation_key.hex(), made->output)), .size_bytes = 0};
  }
  copy->inputs["task"] = ArtifactRef{.digest = key, .size_bytes = 0};  // no two are the same action
  return copy;
}

// A run that has these tasks and nothing of its own: its method plans none, so none are added as they succeed.
Records RecordsOf(const std::vector<TimedTask>& tasks, const std::vector<WorkerRecord>& workers) {
  Records records;
  RunSpec spec;
  spec.recipe.method = Method::kNoop;
  const StatusOr<ResolvedSpec> resolved = ResolveSpec(spec);
  LWQ_CHECK(resolved.ok(), MessageOf(resolved.status()));
  RunRecord run;
  run.id = kSimulatedRun;
  run.sequence = 1;
  run.spec = std::make_shared<const RunSpec>(resolved->spec);
  run.recipe = resolved->recipe;
  run.state = RunState::kRunning;
  records.runs.push_back(std::move(run));
  std::set<Digest> keys;
  for (const TimedTask& task : tasks) keys.insert(task.key);
  for (const TimedTask& task : tasks) {
    RunTaskRecord planned;
    planned.key = task.key;
    planned.depth = task.depth;
    records.run_tasks[kSimulatedRun].push_back(std::move(planned));
    TaskRecord record;
    record.key = task.key;
    record.def = WithLeaves(task.key, *task.def, keys);
    record.memory_bytes = task.memory_bytes;
    records.tasks.push_back(std::move(record));
  }
  for (size_t i = 0; i < workers.size(); ++i) {
    WorkerRecord worker = workers[i];
    worker.id.value = absl::StrCat("w-", i);
    worker.name.clear();
    records.workers.push_back(std::move(worker));
  }
  return records;
}

class Simulation {
 public:
  Simulation(State state, const std::vector<TimedTask>& tasks) : state_(std::move(state)) {
    state_.outdated_runs.clear();  // These tasks are of no plan.
    for (const TimedTask& task : tasks) {
      seconds_[task.key] = task.seconds;
      activation_bytes_[task.key] = task.activation_bytes;
    }
    std::map<std::tuple<std::string, std::vector<TaskKind>, int64_t, int>, int> alike;
    for (const auto& [id, worker] : state_.workers) {
      const WorkerRecord& record = worker.record;
      const auto traits = std::tuple(record.numerics_class, record.kinds, record.memory_bytes, record.max_threads);
      group_of_[id] = alike.emplace(traits, static_cast<int>(alike.size())).first->second;
      idle_.insert(id);
    }
  }

  StatusOr<Makespan> Run() {
    Step(state_, Tick{}, Now());  // what has no inputs becomes ready
    LeaseToIdle();
    while (!running_.empty()) {
      seconds_now_ = running_.begin()->first.first;
      while (!running_.empty() && running_.begin()->first.first == seconds_now_) {
        Report(running_.begin()->first.second, running_.begin()->second);
        idle_.insert(running_.begin()->first.second);
        running_.erase(running_.begin());
      }
      LeaseToIdle();
    }
    if (state_.runs.at(kSimulatedRun).record.state == RunState::kSucceeded) {
      return Makespan{seconds_now_, peak_activation_bytes_};
    }
    for (const auto& [key, task] : state_.tasks) {
      if (task.record.state != TaskState::kReady) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          "task ", key.short_hex(), " of kind ", TaskKindName(task.record.def->kind), " fits none of the workers"));
    }
    return absl::InternalError("the simulated run did not end");
  }

 private:
  Instant Now() const { return {.steady_ms = std::llround(seconds_now_ * 1000), .unix_ms = 0}; }

  void LeaseToIdle() {
    std::set<int> refused;  // groups: what is nothing for one worker is nothing for its like
    for (auto worker = idle_.begin(); worker != idle_.end() && !state_.ready.empty();) {
      if (refused.contains(group_of_.at(*worker))) {
        ++worker;
        continue;
      }
      const Effects effects = Step(state_, LeaseTask{*worker}, Now());
      const std::optional<Lease>& lease = std::get<LeaseReply>(effects.reply).lease;
      if (!lease.has_value()) {
        refused.insert(group_of_.at(*worker));
        ++worker;
        continue;
      }
      running_.emplace(std::pair(seconds_now_ + seconds_.at(lease->task), *worker), *lease);
      worker = idle_.erase(worker);
    }
  }

  void Report(const WorkerId& worker, const Lease& lease) {
    ReportTask report;
    report.worker = worker;
    report.task = lease.task;
    report.token = lease.token;
    ReportSuccess success;
    const auto make = [&](const std::string& role) {
      success.outputs[role].digest = DigestOf(absl::StrCat(lease.task.hex(), role));
      if (role == "activations") success.outputs[role].size_bytes = activation_bytes_.at(lease.task);
    };
    // Every role that the task must have, and every one that is read.
    const auto roles = OutputRoles(lease.def->kind, lease.def->params);
    LWQ_CHECK(roles.ok(), MessageOf(roles.status()));
    for (const std::string& role : *roles) make(role);
    for (const Digest& consumer : state_.tasks.at(lease.task).consumers) {
      for (const auto& [role, input] : state_.tasks.at(consumer).record.def->inputs) {
        const auto* made = std::get_if<TaskOutputRef>(&input);
        if (made != nullptr && made->derivation_key == lease.task) make(made->output);
      }
    }
    if (TraitsOf(lease.def->kind).outputs.measures) {
      success.metrics_json = R"({"measured":[{"count":1,"metric":"simulated","value":1}]})";
    }
    report.outcome = std::move(success);
    Step(state_, report, Now());
    peak_activation_bytes_ = std::max(peak_activation_bytes_, state_.activations.needed_bytes());
  }

  State state_;
  std::map<Digest, double> seconds_;
  std::map<Digest, int64_t> activation_bytes_;
  std::map<WorkerId, int> group_of_;
  std::set<WorkerId> idle_;
  std::map<std::pair<double, WorkerId>, Lease> running_;  // by its end
  double seconds_now_ = 0;
  int64_t peak_activation_bytes_ = 0;
};

}  // namespace

StatusOr<Makespan> SimulateMakespan(const std::vector<TimedTask>& tasks, const std::vector<WorkerRecord>& workers) {
  if (tasks.size() > kMaxSimulatedTasks || workers.size() > static_cast<size_t>(kMaxSimulatedWorkers)) {
    return absl::FailedPreconditionError(absl::StrCat(tasks.size(), " tasks on ", workers.size(),
                                                      " workers are too many to simulate: at most ", kMaxSimulatedTasks,
                                                      " on ", kMaxSimulatedWorkers));
  }
  if (tasks.empty()) return Makespan();
  SchedulerOptions options;
  options.log_lines = 1;
  options.execution_factor = 0;  // the times are given
  options.straggler_factor = 0;
  options.quarantine_ms = 0;
  LWQ_ASSIGN_OR_RETURN(State state, RestoreState(RecordsOf(tasks, workers), options, Instant()));
  return Simulation(std::move(state), tasks).Run();
}

StatusOr<std::vector<TimedTask>> RecordedTasks(const State& state, const RunEntry& run) {
  if (run.record.state != RunState::kSucceeded) {
    return absl::FailedPreconditionError(absl::StrCat("run ", run.record.id.value, " is ",
                                                      RunStateName(run.record.state),
                                                      ": how long its tasks take is known when it has succeeded"));
  }
  std::vector<TimedTask> tasks;
  for (const RunTaskRecord& planned : run.tasks) {
    const TaskRecord& record = state.tasks.at(planned.key).record;
    const auto action = state.actions.find(record.action_key);
    if (action == state.actions.end()) {
      return absl::FailedPreconditionError(absl::StrCat("the result of '", planned.title,
                                                        "' is being made again for another run: ask when it is there"));
    }
    tasks.push_back({.key = planned.key,
                     .def = record.def,
                     .depth = planned.depth,
                     .memory_bytes = 0,
                     .seconds = action->second.seconds});
  }
  return tasks;
}

StatusOr<double> SecondsWithWorkers(const std::vector<TimedTask>& recorded, int workers) {
  if (workers < 1 || workers > kMaxSimulatedWorkers) {
    return absl::InvalidArgumentError(
        absl::StrCat("workers is ", workers, ", must be between 1 and ", kMaxSimulatedWorkers));
  }
  std::vector<TimedTask> tasks = recorded;
  for (TimedTask& task : tasks) {
    // Any worker executes it.
    auto def = std::make_shared<TaskDef>(*task.def);
    def->kind = TaskKind::kNoop;
    def->numerics_class.clear();
    task.def = std::move(def);
  }
  WorkerRecord worker;
  worker.numerics_class = "any";
  worker.memory_bytes = 1;
  LWQ_ASSIGN_OR_RETURN(const Makespan makespan,
                       SimulateMakespan(tasks, std::vector<WorkerRecord>(static_cast<size_t>(workers), worker)));
  return makespan.seconds;
}

}  // namespace lwq::coordinator
