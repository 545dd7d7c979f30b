#include "coordinator/scheduler/state.h"

#include <algorithm>

#include "common/json/json.h"
#include "common/task/numerics_class.h"
#include "common/task/task_outputs.h"
#include "coordinator/scheduler/estimates.h"
#include "coordinator/scheduler/garbage.h"
#include "coordinator/scheduler/indexing.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMinPrefix = 4;

Status Inconsistent(std::string_view what) {
  return absl::DataLossError(
      absl::StrCat("the store is inconsistent: ", what, "; restore a backup, or move the file away to start empty"));
}

bool SameTasks(const std::vector<PlannedTask>& graph, const std::vector<RunTaskRecord>& tasks) {
  return std::equal(graph.begin(), graph.end(), tasks.begin(), tasks.end(),
                    [](const PlannedTask& planned, const RunTaskRecord& task) { return planned.key == task.key; });
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
    if (run.record.state == RunState::kRunning && Grows(*run.record.spec, run.record.recipe)) {
      auto graph = GraphOf(run);
      if (!graph.ok()) return Inconsistent(absl::StrCat("graph of run ", id.value, ": ", MessageOf(graph.status())));
      if (SameTasks(graph->tasks, run.tasks)) {
        run.pending = std::move(graph->pending);
      } else {
        state.outdated_runs.insert(run.record.sequence);
      }
    }
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
    if (!worker.record.name.empty()) state.workers_by_name[worker.record.name] = id;
    const auto [it, added] = state.workers.emplace(id, std::move(worker));
    SetWorkerDeadline(state, it->second, now.steady_ms + state.options.lease_ms);
  }
}

// Active runs want their tasks; tasks know who reads them.
Status LinkTasks(State& state) {
  for (auto& [id, run] : state.runs) {
    if (run.record.state != RunState::kRunning) continue;
    for (size_t position = 0; position < run.tasks.size(); ++position) {
      const auto task = state.tasks.find(run.tasks[position].key);
      if (task == state.tasks.end()) {
        return Inconsistent(absl::StrCat("run ", id.value, " has task ", run.tasks[position].key.short_hex(),
                                         ", which does not exist"));
      }
      task->second.wanted_by[run.record.sequence] = position;
    }
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
    }
    if (record.state == TaskState::kSucceeded && !state.actions.contains(record.action_key)) {
      return Inconsistent(absl::StrCat("task ", key.short_hex(), " succeeded but its result is missing"));
    }
    if (record.state == TaskState::kBlocked) state.unsettled.insert(key);
    IndexTask(state, task);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<State> RestoreState(Records records, const SchedulerOptions& options, Instant now) {
  State state;
  state.options = options;
  LWQ_RETURN_IF_ERROR(RestoreRuns(state, records));
  RestoreWorkers(state, records, now);
  for (ActionRecord& action : records.actions) {
    const Digest key = action.key;
    state.actions.emplace(key, std::move(action));
  }
  for (TaskRecord& record : records.tasks) {
    TaskEntry task;
    task.record = std::move(record);
    const Digest key = task.record.key;
    state.tasks.emplace(key, std::move(task));
  }
  for (RequestRecord& request : records.requests) {
    const std::string id = request.request_id;
    state.requests.emplace(id, std::move(request));
  }
  LWQ_RETURN_IF_ERROR(LinkTasks(state));
  LWQ_RETURN_IF_ERROR(IndexTasks(state, now));
  for (auto& [id, run] : state.runs) {
    run.counts = CountTasks(state, run);
    run.task_revisions.assign(run.tasks.size(), run.revision);
  }
  LearnFromStored(state);
  for (const auto& [id, worker] : state.workers) {
    if (!worker.lease.has_value()) continue;
    TaskEntry& task = state.tasks.at(*worker.lease);
    SetExecutionDeadline(state, task, ExecutionDeadline(state, task));
  }
  RestoreLedger(state, records.discarded);
  return state;
}

StatusOr<RunId> FindRun(const State& state, const std::string& id_or_prefix) {
  if (id_or_prefix.size() < kMinPrefix) {
    return absl::InvalidArgumentError(
        absl::StrCat("run id '", id_or_prefix, "' is too short: give at least ", kMinPrefix, " characters"));
  }
  const auto first = state.runs.lower_bound(RunId{id_or_prefix});
  const auto matches = [&](const auto& it) {
    return it != state.runs.end() && it->first.value.compare(0, id_or_prefix.size(), id_or_prefix) == 0;
  };
  if (!matches(first))
    return absl::NotFoundError(absl::StrCat("run '", id_or_prefix.substr(0, 80), "' does not exist"));
  if (first->first.value != id_or_prefix && matches(std::next(first))) {
    return absl::InvalidArgumentError(
        absl::StrCat("run '", id_or_prefix, "' names several runs: give more characters"));
  }
  return first->first;
}

void IndexBases(State& state, const RunRecord& run) {
  if (!run.spec->model.has_value()) return;
  for (const auto& [kind, base] : run.kind_bases) {
    state.bases_of_model[run.spec->model->files.digest][kind].insert(base);
  }
}

StatusOr<RunGraph> GraphOf(const RunEntry& run) {
  const RunRecord& record = run.record;
  return BuildRunGraph(*record.spec, run.model.get(), record.recipe, record.kind_bases, record.measurements);
}

std::optional<ArtifactRef> ContentOf(const State& state, const TaskInput& input) {
  if (const auto* leaf = std::get_if<ArtifactRef>(&input)) return *leaf;
  const auto& made = std::get<TaskOutputRef>(input);
  const TaskRecord& producer = state.tasks.at(made.derivation_key).record;
  if (producer.state != TaskState::kSucceeded) return std::nullopt;
  const ActionRecord& action = state.actions.at(producer.action_key);
  const auto output = action.outputs.find(made.output);
  LWQ_CHECK(output != action.outputs.end(), "task ", producer.key.short_hex(), " has no output '", made.output, "'");
  return output->second;
}

Lease LeaseOf(const State& state, const TaskEntry& task) {
  const TaskRecord& record = task.record;
  LWQ_CHECK(record.state == TaskState::kLeased, "task ", record.key.short_hex(), " is not leased");
  Lease lease;
  lease.task = record.key;
  lease.token = record.token;
  lease.action_key = record.action_key;
  lease.def = record.def;
  lease.lr_halvings = record.lr_halvings;
  lease.attempt = record.attempts;
  lease.duration_ms = state.options.lease_ms;
  for (const auto& [role, input] : record.def->inputs) {
    // An input may be lost and on its way to be made again while the lease lasts: the reader finds out itself.
    const std::optional<ArtifactRef> content = ReadableContentOf(state, input);
    if (content.has_value()) lease.inputs[role] = *content;
  }
  if (!task.wanted_by.empty()) {
    const auto& [sequence, position] = *task.wanted_by.begin();
    lease.title = state.runs.at(state.runs_by_sequence.at(sequence)).tasks[position].title;
  }
  return lease;
}

namespace {

void AddCheckpoints(int64_t first, const ActionRecord& action, std::map<int64_t, Digest>& checkpoints) {
  for (int64_t i = 0;; ++i) {
    const auto output = action.outputs.find(UnitRole("block", i));
    if (output == action.outputs.end()) return;
    checkpoints[first + i] = output->second.digest;
  }
}

// The task that made what the task reads in that role; null where it reads no other task's.
const TaskRecord* ProducerOf(const State& state, const TaskRecord& task, const std::string& role) {
  const auto input = task.def->inputs.find(role);
  const auto* made = input == task.def->inputs.end() ? nullptr : std::get_if<TaskOutputRef>(&input->second);
  return made == nullptr ? nullptr : &state.tasks.at(made->derivation_key).record;
}

// What the tokenization says of the text that was evaluated.
std::optional<bool> AddedBos(const State& state, const TaskRecord& evaluation) {
  const TaskRecord* shard = ProducerOf(state, evaluation, "losses.0");
  const TaskRecord* tokenize = shard == nullptr ? nullptr : ProducerOf(state, *shard, "tokens");
  if (tokenize == nullptr || tokenize->state != TaskState::kSucceeded) return std::nullopt;
  const StatusOr<Json> metrics = ParseJson(state.actions.at(tokenize->action_key).metrics_json, "metrics");
  if (!metrics.ok()) return std::nullopt;
  const StatusOr<bool> added = JsonBool(*metrics, "add_bos", "metrics");
  return added.ok() ? std::make_optional(*added) : std::nullopt;
}

// Nothing where the metrics are no evaluation's; reports are checked before they become results.
std::vector<Measured> MeasuredBy(const State& state, const RunTaskRecord& planned, const TaskRecord& task,
                                 const ActionRecord& action) {
  const StatusOr<Json> metrics = ParseJson(action.metrics_json, "metrics");
  if (!metrics.ok()) return {};
  StatusOr<std::vector<Measured>> measured = MeasuredOf(*metrics);
  if (!measured.ok()) return {};
  const std::optional<bool> add_bos = AddedBos(state, task);
  for (Measured& one : *measured) {
    one.subject = planned.evaluated_model;
    one.dataset = planned.evaluated_text;
    one.add_bos = add_bos;
  }
  return *std::move(measured);
}

}  // namespace

void CountTask(const RunTaskRecord& in_run, const TaskRecord& task, TaskCounts& counts) {
  ++counts.tasks[task.def->kind];
  if (in_run.shared) ++counts.tasks_shared[task.def->kind];
  if (in_run.shared || task.from_cache) ++counts.not_executed;
  if (task.state == TaskState::kSucceeded) ++counts.done;
}

TaskCounts CountTasks(const State& state, const RunEntry& run) {
  TaskCounts counts;
  for (const RunTaskRecord& planned : run.tasks) CountTask(planned, state.tasks.at(planned.key).record, counts);
  // A result may be made again for another run; a run that has succeeded stays done.
  if (run.record.state == RunState::kSucceeded) counts.done = static_cast<int64_t>(run.tasks.size());
  return counts;
}

void IndexResults(RunEntry& run) {
  run.result_tasks.clear();
  for (size_t i = 0; i < run.tasks.size(); ++i) {
    if (run.tasks[i].purpose != TaskPurpose::kStep) run.result_tasks.push_back(i);
  }
}

RunResult CollectResult(const State& state, const RunEntry& run) {
  RunResult result;
  Json digests{{"export", nullptr}, {"blocks", Json::array()}};
  std::map<int64_t, Digest> checkpoints;  // by block
  bool produces = false;
  for (const size_t position : run.result_tasks) {
    const RunTaskRecord& planned = run.tasks[position];
    const TaskRecord& task = state.tasks.at(planned.key).record;
    if (task.state != TaskState::kSucceeded) continue;
    const ActionRecord& action = state.actions.at(task.action_key);
    switch (planned.purpose) {
      case TaskPurpose::kStep:
        break;
      case TaskPurpose::kCheckpoint:
        AddCheckpoints(planned.block, action, checkpoints);
        produces = true;
        break;
      case TaskPurpose::kExport:
        result.exported = action.outputs.at("files");
        digests["export"] = result.exported->digest.hex();
        produces = true;
        break;
      case TaskPurpose::kEvaluation:
        for (Measured& one : MeasuredBy(state, planned, task, action)) result.measured.push_back(std::move(one));
        break;
    }
  }
  for (const auto& [block, digest] : checkpoints) digests["blocks"].push_back(digest.hex());
  if (run.record.recipe.method == Method::kSensitivity && !run.record.measurements.empty()) {
    digests["sensitivity"] = MeasurementToJson(run.record.measurements.front());
    produces = true;
  }
  if (produces) result.result_digest = DigestOf(CanonicalJson(digests)).hex();
  return result;
}

}  // namespace lwq::coordinator
