// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/convert_sweep.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "common/text/one_line.h"
#include "coordinator/scheduler/state/run_rungs.h"
#include "coordinator/scheduler/step/halved_sweep.h"
#include "coordinator/scheduler/step/submission.h"
#include "coordinator/service/convert_run.h"
#include "coordinator/service/convert_spec.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kShownWordBytes = 80;

}  // namespace

StatusOr<std::vector<SubmitRun>> FromWire(const wire::SweepSpec& spec) {
  std::vector<SubmitRun> runs;
  const auto count = static_cast<size_t>(spec.runs_size());
  runs.reserve(count);
  for (const wire::SweepRun& run : spec.runs()) {
    StatusOr<RunSpec> one = FromWire(run.spec());
    if (!one.ok()) return OfRun(one.status(), runs.size(), count, run.spec().name());
    runs.push_back({*std::move(one), ""});
  }
  LWQ_RETURN_IF_ERROR(CheckTogether(runs));
  return runs;
}

StatusOr<std::optional<SweepHalving>> HalvingFromWire(const wire::SweepSpec& spec) {
  if (!spec.has_halving()) return std::optional<SweepHalving>();
  const wire::Halving& message = spec.halving();
  const auto bad = [](std::string_view field, const std::string& word, std::string_view words) {
    return absl::InvalidArgumentError(
        absl::StrCat("halving: ", field, " is '", OneLine(word, kShownWordBytes), "', must be ", words));
  };
  SweepHalving halving;
  if (!message.metric().empty()) {
    const auto metric = ParseHalvingMetric(message.metric());
    if (!metric.has_value()) return bad("metric", message.metric(), "block_loss or perplexity");
    halving.metric = *metric;
  }
  if (!message.order().empty()) {
    const auto order = ParseHalvingOrder(message.order());
    if (!order.has_value()) return bad("order", message.order(), "synchronous or asynchronous");
    halving.rule.order = *order;
  }
  if (message.min_blocks() != 0) halving.rule.min_blocks = message.min_blocks();
  if (message.eta() != 0) halving.rule.eta = message.eta();
  return std::optional(halving);
}

StatusOr<SubmitSweep> FromWire(const wire::SubmitSweepRequest& request) {
  SubmitSweep sweep;
  sweep.name = request.spec().name();
  sweep.request_id = request.request_id();
  LWQ_ASSIGN_OR_RETURN(sweep.runs, FromWire(request.spec()));
  for (const wire::SweepRun& run : request.spec().runs()) {
    sweep.labels.emplace_back(run.labels().begin(), run.labels().end());
  }
  LWQ_RETURN_IF_ERROR(CheckSweep(sweep));
  LWQ_ASSIGN_OR_RETURN(sweep.halving, HalvingFromWire(request.spec()));
  if (sweep.halving.has_value()) LWQ_RETURN_IF_ERROR(ResolveHalving(sweep.runs, *sweep.halving));
  return sweep;
}

namespace {

void HalvingToWire(const SweepHalving& halving, wire::Halving* message) {
  message->set_metric(std::string(WordOf(halving.metric)));
  message->set_min_blocks(halving.rule.min_blocks);
  message->set_eta(halving.rule.eta);
  message->set_order(std::string(WordOf(halving.rule.order)));
}

// Adds to each member where it stands in the sweep's halving.
void PlacesToWire(const State& state, const SweepRecord& sweep, wire::Sweep* message) {
  const HalvingSweep& halving = state.halvings.at(sweep.id);
  const std::vector<std::vector<double>> values = RungValues(sweep);
  for (size_t i = 0; i < sweep.members.size(); ++i) {
    wire::Sweep::Member* member = message->mutable_members(static_cast<int>(i));
    const int64_t promoted = PromotedBlocks(*sweep.halving, halving, state.runs.at(sweep.members[i].run));
    member->set_promoted_blocks(std::min(promoted, sweep.halving->rule.blocks));
    member->mutable_rung_values()->Assign(values[i].begin(), values[i].end());
  }
}

}  // namespace

void SweepSummaryToWire(const SweepRecord& sweep, wire::Sweep* message) {
  message->set_id(sweep.id.value);
  message->set_name(sweep.name);
  SetTime(sweep.submitted_unix_ms, message->mutable_submitted_at());
}

void SweepToWire(const State& state, const SweepId& id, wire::Sweep* message) {
  const SweepRecord& sweep = state.sweeps.at(id);
  SweepSummaryToWire(sweep, message);
  std::unordered_set<Digest> tasks;
  int64_t done = 0;
  for (const SweepRecord::Member& member : sweep.members) {
    const RunEntry& run = state.runs.at(member.run);
    wire::Sweep::Member* out = message->add_members();
    out->set_run_id(member.run.value);
    out->mutable_labels()->insert(member.labels.begin(), member.labels.end());
    out->set_state(ToWire(run.record.state));
    out->set_paused(run.record.paused);
    for (const RunTaskRecord& planned : run.tasks) {
      if (!tasks.insert(planned.key).second) continue;
      if (state.tasks.at(planned.key).record.state == TaskState::kSucceeded) ++done;
    }
  }
  message->set_tasks(static_cast<int64_t>(tasks.size()));
  message->set_tasks_done(done);
  if (!sweep.halving.has_value()) return;
  HalvingToWire(*sweep.halving, message->mutable_halving());
  PlacesToWire(state, sweep, message);
}

Status AnswerSweep(const State& state, const SweepId& id, wire::Sweep* message) {
  if (!state.sweeps.contains(id)) return absl::NotFoundError(absl::StrCat("sweep '", id.value, "' was deleted"));
  SweepToWire(state, id, message);
  return absl::OkStatus();
}

void ToWire(const SweepPreview& preview, wire::SweepPlan* message) {
  for (const auto& [kind, counts] : preview.kinds) {
    wire::SweepPlan::Kind* out = message->add_kinds();
    out->set_kind(std::string(TaskKindName(kind)));
    out->set_tasks(counts.tasks);
    out->set_distinct(counts.distinct);
    out->set_known(counts.known);
    message->set_tasks(message->tasks() + counts.tasks);
    message->set_distinct_tasks(message->distinct_tasks() + counts.distinct);
    message->set_known_tasks(message->known_tasks() + counts.known);
  }
  if (preview.alone_device_seconds.has_value()) message->set_alone_device_seconds(*preview.alone_device_seconds);
  if (preview.device_seconds.has_value()) message->set_device_seconds(*preview.device_seconds);
  if (preview.estimated_seconds.has_value()) message->set_estimated_seconds(*preview.estimated_seconds);
  if (preview.peak_activation_bytes.has_value()) message->set_peak_activation_bytes(*preview.peak_activation_bytes);
  message->set_growing_runs(preview.growing_runs);
  for (const RunPreview& run : preview.runs) ToWire(run, message->add_plans());
  if (!preview.halved.has_value()) return;
  const HalvedPreview& halved = *preview.halved;
  wire::SweepPlan::Halved* out = message->mutable_halving();
  for (const HalvedPreview::Rung& rung : halved.rungs) {
    wire::SweepPlan::Halved::Rung* one = out->add_rungs();
    one->set_blocks(rung.blocks);
    one->set_runs(rung.runs);
  }
  out->set_trainings(halved.trainings);
  out->set_least_trainings(halved.least_trainings);
  out->set_most_trainings(halved.most_trainings);
  if (halved.least_device_seconds.has_value()) out->set_least_device_seconds(*halved.least_device_seconds);
  if (halved.most_device_seconds.has_value()) out->set_most_device_seconds(*halved.most_device_seconds);
}

}  // namespace lwq::coordinator
