// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/run_rungs.h"

#include <algorithm>
#include <limits>

#include "common/json/json.h"
#include "common/task/task_outputs.h"

namespace lwq::coordinator {
namespace {

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

StatusOr<Json> MetricsAt(const State& state, const RunTaskRecord& task) {
  return ParseJson(state.actions.at(state.tasks.at(task.key).record.action_key).metrics_json, "metrics");
}

bool IsDone(const State& state, const RunTaskRecord& task) {
  return state.tasks.at(task.key).record.state == TaskState::kSucceeded;
}

// E2E-QP makes the checkpoints of all blocks anew, after the last rung.
bool FollowsTheBlocks(const State& state, const RunTaskRecord& task) {
  return state.tasks.at(task.key).record.def->kind == TaskKind::kTrainScales;
}

int64_t BlocksMade(const State& state, const RunTaskRecord& task) {
  const ActionRecord& action = state.actions.at(state.tasks.at(task.key).record.action_key);
  int64_t blocks = 0;
  while (action.outputs.contains(UnitRole("block", blocks))) ++blocks;
  return blocks;
}

// The training that brings the run to so many trained blocks; null where it is not done, or not all before it are.
const RunTaskRecord* LastTraining(const State& state, const RunEntry& run, int64_t blocks) {
  const RunTaskRecord* last = nullptr;
  int64_t trained = 0;
  for (const size_t position : run.result_tasks) {
    const RunTaskRecord& task = run.tasks[position];
    if (task.purpose != TaskPurpose::kCheckpoint || task.needs_blocks > blocks || FollowsTheBlocks(state, task))
      continue;
    if (!IsDone(state, task)) return nullptr;
    trained += BlocksMade(state, task);
    if (last == nullptr || last->needs_blocks < task.needs_blocks) last = &task;
  }
  return trained >= blocks ? last : nullptr;
}

std::optional<double> BlockLoss(const State& state, const RunEntry& run, int64_t blocks) {
  const RunTaskRecord* last = LastTraining(state, run, blocks);
  if (last == nullptr) return std::nullopt;
  const StatusOr<Json> metrics = MetricsAt(state, *last);
  if (!metrics.ok()) return kNoNumber;
  return JsonDouble(*metrics, "best_val_loss", "metrics").value_or(kNoNumber);
}

std::optional<double> RungPerplexity(const State& state, const RunEntry& run, int64_t blocks) {
  // Once all its trainings are done, all its evaluations are there: the graph grows before a training, if it grows.
  if (LastTraining(state, run, blocks) == nullptr) return std::nullopt;
  // Where rungs are reached by one training, one evaluation serves them; where that is the last, the final one does.
  const RunTaskRecord* evaluation = nullptr;
  for (const size_t position : run.result_tasks) {
    const RunTaskRecord& task = run.tasks[position];
    const bool evaluates = task.purpose == TaskPurpose::kRungEvaluation || task.purpose == TaskPurpose::kEvaluation;
    if (!evaluates || task.needs_blocks == 0 || task.needs_blocks > blocks) continue;
    if (evaluation == nullptr || evaluation->needs_blocks < task.needs_blocks) evaluation = &task;
  }
  if (evaluation == nullptr) return kNoNumber;
  if (!IsDone(state, *evaluation)) return std::nullopt;
  const StatusOr<Json> metrics = MetricsAt(state, *evaluation);
  if (!metrics.ok()) return kNoNumber;
  const StatusOr<std::vector<Measured>> measured = MeasuredOf(*metrics);
  return measured.ok() && !measured->empty() ? measured->front().value : kNoNumber;
}

// Of the whole model, on the first text.
double FinalPerplexity(const RunEntry& run) {
  const RunSpec& spec = *run.record.spec;
  for (const Measured& one : run.record.result.measured) {
    if (!spec.eval_texts.empty() && one.dataset == spec.eval_texts.front().name && one.subject != "fp" &&
        one.metric == kPerplexityMetric) {
      return one.value;
    }
  }
  return kNoNumber;
}

const HalvingSweep* HalvingOf(const State& state, const RunEntry& run) {
  const auto halving = state.halvings.find(run.sweep);
  return halving == state.halvings.end() ? nullptr : &halving->second;
}

}  // namespace

int64_t PromotedBlocks(const SweepHalving& halving, const HalvingSweep& sweep, const RunEntry& run) {
  if (run.record.left_halving) return kAllBlocks;
  const HalvingPlace place = sweep.PlaceOf(run.sweep_place);
  return RungBlocks(halving.rule)[static_cast<size_t>(place.rung)];
}

std::optional<double> RungValue(const State& state, const RunEntry& run, const SweepHalving& halving, int64_t rung) {
  const RunState is = run.record.state;
  if (is == RunState::kFailed || is == RunState::kCancelled) return kNoNumber;
  const int64_t blocks = RungBlocks(halving.rule)[static_cast<size_t>(rung)];
  const bool is_last = blocks == halving.rule.blocks;
  if (is_last && is != RunState::kSucceeded) return std::nullopt;
  std::optional<double> value;
  switch (halving.metric) {
    case HalvingMetric::kBlockLoss:
      value = BlockLoss(state, run, blocks);
      break;
    case HalvingMetric::kPerplexity:
      value = is_last ? FinalPerplexity(run) : RungPerplexity(state, run, blocks);
      break;
  }
  if (!value.has_value() && is == RunState::kSucceeded) return kNoNumber;
  return value;
}

std::vector<std::vector<double>> RungValues(const SweepRecord& sweep) {
  std::map<int64_t, size_t> positions;  // by place
  for (size_t i = 0; i < sweep.members.size(); ++i) positions[sweep.members[i].place] = i;
  std::vector<std::vector<double>> values(sweep.members.size());
  for (const RungResult& result : sweep.rung_results) {
    const auto position = positions.find(result.run);
    if (position != positions.end()) values[position->second].push_back(result.value);
  }
  return values;
}

bool HasEnded(const State& state, const RunEntry& run) {
  if (run.record.state != RunState::kStopped) return IsTerminal(run.record.state);
  const HalvingSweep* halving = HalvingOf(state, run);
  return halving == nullptr || !halving->MayYetBePromoted(run.sweep_place);
}

bool WaitsAtRung(const State& state, const RunEntry& run) {
  const HalvingSweep* halving = HalvingOf(state, run);
  return halving != nullptr && !run.record.left_halving && run.record.state == RunState::kRunning &&
         halving->PlaceOf(run.sweep_place).decision == HalvingDecision::kWait;
}

bool HasEnded(const State& state, const SweepId& sweep) {
  const std::vector<SweepRecord::Member>& members = state.sweeps.at(sweep).members;
  return std::all_of(members.begin(), members.end(), [&state](const SweepRecord::Member& member) {
    return HasEnded(state, state.runs.at(member.run));
  });
}

}  // namespace lwq::coordinator
