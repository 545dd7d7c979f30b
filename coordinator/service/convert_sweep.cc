// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/convert_sweep.h"

#include <unordered_set>
#include <utility>

#include "coordinator/scheduler/step/submission.h"
#include "coordinator/service/convert_run.h"
#include "coordinator/service/convert_spec.h"

namespace lwq::coordinator {

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

StatusOr<SubmitSweep> FromWire(const wire::SubmitSweepRequest& request) {
  SubmitSweep sweep;
  sweep.name = request.spec().name();
  sweep.request_id = request.request_id();
  LWQ_ASSIGN_OR_RETURN(sweep.runs, FromWire(request.spec()));
  for (const wire::SweepRun& run : request.spec().runs()) {
    sweep.labels.emplace_back(run.labels().begin(), run.labels().end());
  }
  LWQ_RETURN_IF_ERROR(CheckSweep(sweep));
  return sweep;
}

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
}

}  // namespace lwq::coordinator
