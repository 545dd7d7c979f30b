// SPDX-License-Identifier: Apache-2.0
#include "client/tune/tune_trials.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "client/base/format.h"
#include "client/tune/tune_batch.h"
#include "reporting/layer_results.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

using lwqat::v1::Run;
using search::SearchTrial;
using search::TrialOutcome;

constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

double BlockLossOf(const Run& run) {
  const std::vector<reporting::LayerResult> layers = reporting::LayerResults(run);
  if (layers.empty()) return kNotMeasured;
  const auto& order = run.plan().order();
  const auto last = order.empty() ? static_cast<int64_t>(layers.size()) - 1 : order[order.size() - 1];
  if (last < 0 || last >= static_cast<int64_t>(layers.size())) return kNotMeasured;
  return layers[static_cast<size_t>(last)].best_val_loss.value_or(kNotMeasured);
}

double PerplexityOf(const Run& run) {
  if (run.spec().eval_texts().empty()) return kNotMeasured;
  for (const lwqat::v1::Measured& measured : run.measured()) {
    const bool is_meant = measured.metric() == kPerplexity && measured.subject() != "fp" &&
                          measured.dataset() == run.spec().eval_texts(0).name();
    if (is_meant) return measured.value();
  }
  return kNotMeasured;
}

// Where halving measured it last.
void FillFromRungs(const lwqat::v1::Sweep& sweep, const lwqat::v1::Sweep::Member& member, TuneTrial* trial) {
  const std::vector<int64_t> rungs = search::RungBlocks(RuleOf(sweep.halving(), sweep.members_size(), trial->blocks));
  const auto measured = std::min(static_cast<size_t>(member.rung_values_size()), rungs.size());
  SearchTrial& result = trial->result;
  result.resource = rungs[measured - 1];
  result.objective = member.rung_values(static_cast<int>(measured) - 1);
  result.outcome = measured == rungs.size() ? TrialOutcome::kEnded : TrialOutcome::kStopped;
}

}  // namespace

bool IsOver(lwqat::v1::RunState state) {
  return state != lwqat::v1::RUN_STATE_UNSPECIFIED && !reporting::IsActive(state);
}

double TaskLedger::Add(const Run& run) {
  double seconds = 0;
  for (const lwqat::v1::Task& task : run.tasks()) {
    const double own = std::max(0.0, task.seconds());
    if (task.from_cache()) {
      reused_.emplace(task.key(), own);
    } else if (executed_.insert(task.key()).second) {
      seconds += own;
    }
  }
  return seconds;
}

double TaskLedger::reused_seconds() const {
  double seconds = 0;
  for (const auto& [key, own] : reused_) seconds += executed_.contains(key) ? 0 : own;
  return seconds;
}

TuneTrial TrialOf(const TuneRequest& tune, const lwqat::v1::Sweep& sweep, const lwqat::v1::Sweep::Member& member,
                  const Run& run) {
  TuneTrial trial;
  trial.sweep_id = sweep.id();
  trial.run_id = member.run_id();
  trial.blocks = run.plan().blocks_size();
  trial.error = OneLine(run.error());
  SearchTrial& result = trial.result;
  result.objective = kNotMeasured;
  if (sweep.has_halving() && member.rung_values_size() > 0 && trial.blocks > 0) FillFromRungs(sweep, member, &trial);
  if (std::isfinite(result.objective)) return trial;  // whatever became of a run that was stopped then
  if (run.state() == lwqat::v1::RUN_STATE_CANCELLED) {
    result.outcome = TrialOutcome::kCancelled;
  } else if (run.state() == lwqat::v1::RUN_STATE_FAILED || sweep.has_halving()) {
    result.outcome = TrialOutcome::kFailed;
  } else {
    result.resource = trial.blocks;
    result.objective = tune.metric == kPerplexity ? PerplexityOf(run) : BlockLossOf(run);
    if (!std::isfinite(result.objective)) result.outcome = TrialOutcome::kFailed;
  }
  return trial;
}

}  // namespace lwq::client
