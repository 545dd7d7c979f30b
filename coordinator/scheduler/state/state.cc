// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/state.h"

#include <algorithm>

#include "common/json/json.h"
#include "common/task/numerics_class.h"
#include "common/task/task_outputs.h"
#include "common/text/one_line.h"
#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/run_rungs.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMinIdPrefix = 4;
constexpr size_t kShownIdBytes = 80;

template <typename Id, typename Entries>
StatusOr<Id> FindByPrefix(const Entries& entries, std::string_view what, const std::string& id_or_prefix) {
  const std::string shown = OneLine(id_or_prefix, kShownIdBytes);
  if (id_or_prefix.size() < kMinIdPrefix) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " id '", shown, "' is too short: give at least ", kMinIdPrefix, " characters"));
  }
  const auto first = entries.lower_bound(Id{id_or_prefix});
  const auto matches = [&](const auto& it) {
    return it != entries.end() && it->first.value.compare(0, id_or_prefix.size(), id_or_prefix) == 0;
  };
  if (!matches(first)) return absl::NotFoundError(absl::StrCat(what, " '", shown, "' does not exist"));
  if (first->first.value != id_or_prefix && matches(std::next(first))) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " '", shown, "' names several ", what, "s: give more characters"));
  }
  return first->first;
}

}  // namespace

StatusOr<RunId> FindRun(const State& state, const std::string& id_or_prefix) {
  return FindByPrefix<RunId>(state.runs, "run", id_or_prefix);
}

StatusOr<SweepId> FindSweep(const State& state, const std::string& id_or_prefix) {
  return FindByPrefix<SweepId>(state.sweeps, "sweep", id_or_prefix);
}

uint64_t Revise(State& state, RunEntry& run) {
  state.run_news.Changed(run.record.id, run.revision, state.revision + 1);
  run.revision = ++state.revision;
  if (!run.sweep.value.empty()) state.sweep_revisions[run.sweep] = run.revision;
  return run.revision;
}

void IndexSweep(State& state, SweepRecord sweep) {
  const SweepId id = sweep.id;
  for (size_t position = 0; position < sweep.members.size(); ++position) {
    RunEntry& run = state.runs.at(sweep.members[position].run);
    run.sweep = id;
    run.sweep_position = position;
    run.sweep_place = sweep.members[position].place;
  }
  if (sweep.halving.has_value()) {
    StatusOr<HalvingSweep> halving = ReplayHalving(sweep.halving->rule, sweep.rung_results);
    LWQ_CHECK(halving.ok(), MessageOf(halving.status()));
    for (const SweepRecord::Member& member : sweep.members) {
      RunEntry& run = state.runs.at(member.run);
      run.promoted_blocks = PromotedBlocks(*sweep.halving, *halving, run);
    }
    state.halvings.emplace(id, *std::move(halving));
  }
  state.sweeps_by_sequence[sweep.sequence] = id;
  if (!sweep.request_id.empty()) state.sweeps_by_request[sweep.request_id] = id;
  state.next_sweep_sequence = std::max(state.next_sweep_sequence, sweep.sequence + 1);
  state.sweep_revisions[id] = ++state.revision;
  state.sweeps[id] = std::move(sweep);
}

void LeaveSweep(State& state, RunEntry& run) {
  const auto sweep = state.sweeps.find(run.sweep);
  run.sweep = SweepId();
  if (sweep == state.sweeps.end()) return;
  state.sweep_revisions[sweep->first] = ++state.revision;
  std::vector<SweepRecord::Member>& members = sweep->second.members;
  members.erase(members.begin() + static_cast<ptrdiff_t>(run.sweep_position));
  for (size_t position = run.sweep_position; position < members.size(); ++position) {
    state.runs.at(members[position].run).sweep_position = position;
  }
}

void ReleaseTasks(State& state, const RunEntry& run) {
  for (const RunTaskRecord& planned : run.tasks) {
    std::set<int64_t>& runs = state.tasks.at(planned.key).runs;
    runs.erase(run.record.sequence);
    if (runs.empty()) state.orphans.insert(planned.key);
  }
}

void ReindexBases(State& state) {
  state.bases_of_model.clear();
  for (const auto& [id, run] : state.runs) IndexBases(state, run.record);
}

bool HasTasksOf(const RunEntry& run, const RunGraph& graph) {
  return std::equal(graph.tasks.begin(), graph.tasks.end(), run.tasks.begin(), run.tasks.end(),
                    [](const PlannedTask& planned, const RunTaskRecord& task) { return planned.key == task.key; });
}

const std::map<std::string, std::string>& LabelsOf(const State& state, const RunEntry& run) {
  static const std::map<std::string, std::string> kNone;
  return run.sweep.value.empty() ? kNone : state.sweeps.at(run.sweep).members[run.sweep_position].labels;
}

void IndexBases(State& state, const RunRecord& run) {
  if (!run.spec->model.has_value()) return;
  for (const auto& [kind, base] : run.kind_bases) {
    state.bases_of_model[run.spec->model->files.digest][kind].insert(base);
  }
}

void CountRunning(State& state, const RunRecord& run, int64_t delta) {
  if (run.numerics_class.empty()) return;
  const std::string base = BaseOf(run.numerics_class);
  int64_t& runs = state.running_on_base[base];
  runs += delta;
  if (runs == 0) state.running_on_base.erase(base);
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

std::string TitleOf(const State& state, const TaskEntry& task) {
  if (task.wanted_by.empty()) return "";
  const auto& [sequence, position] = *task.wanted_by.begin();
  return state.runs.at(state.runs_by_sequence.at(sequence)).tasks[position].title;
}

Lease LeaseOf(const State& state, const TaskEntry& task, const WorkerId& worker) {
  const TaskRecord& record = task.record;
  Lease lease;
  lease.task = record.key;
  lease.token = TokenOf(record, worker);
  LWQ_CHECK(lease.token != 0, "task ", record.key.short_hex(), " is not leased to ", worker.value);
  lease.action_key = record.action_key;
  lease.def = record.def;
  lease.lr_halvings = record.lr_halvings;
  lease.attempt = record.attempts;
  lease.checkpoint = record.checkpoint;
  lease.duration_ms = state.options.lease_ms;
  for (const auto& [role, input] : record.def->inputs) {
    // An input may be lost and on its way to be made again while the lease lasts: the reader finds out itself.
    const std::optional<ArtifactRef> content = ReadableContentOf(state, input);
    if (content.has_value()) lease.inputs[role] = *content;
  }
  lease.title = TitleOf(state, task);
  if (!task.wanted_by.empty()) {
    const RunRecord& run = state.runs.at(state.runs_by_sequence.at(task.wanted_by.begin()->first)).record;
    lease.run = run.id;
    lease.traceparent = run.trace.traceparent;
  }
  if (!record.older.has_value() && task.ready_unix_ms != 0) {
    lease.ready_unix_ms = task.ready_unix_ms;
    lease.leased_unix_ms = task.leased_unix_ms;
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
  if (shard == nullptr) shard = ProducerOf(state, evaluation, "divergences.0");
  const TaskRecord* tokenize =
      shard == nullptr ? ProducerOf(state, evaluation, "requests") : ProducerOf(state, *shard, "tokens");
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

std::map<int, int> CountUnfinished(const State& state, const RunEntry& run) {
  std::map<int, int> unfinished;
  for (const RunTaskRecord& planned : run.tasks) {
    if (state.tasks.at(planned.key).record.state != TaskState::kSucceeded) ++unfinished[planned.depth];
  }
  return unfinished;
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
      case TaskPurpose::kRungEvaluation:
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
