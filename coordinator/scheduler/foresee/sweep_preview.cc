// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/sweep_preview.h"

#include <set>
#include <unordered_set>
#include <utility>

#include "coordinator/scheduler/step/halved_sweep.h"
#include "coordinator/scheduler/step/submission.h"

namespace lwq::coordinator {
namespace {

// Adds up what the runs need, one after the other.
class Total {
 public:
  Total(Fleet fleet, const SweepHalving* halving, SweepPreview& preview) : fleet_(std::move(fleet)), preview_(preview) {
    preview_.alone_device_seconds = preview_.device_seconds = 0;
    if (halving != nullptr) halved_.emplace(halving->rule);
  }

  void Add(const RunSpec& spec, const ForeseenRun& run, const KnownTasks& known) {
    std::set<Digest> to_do;  // of this run, that no run before it has
    for (const PlannedTask& task : run.graph.tasks) {
      SweepPreview::Counts& counts = preview_.kinds[task.def.kind];
      ++counts.tasks;
      if (!seen_.insert(task.key).second) continue;
      ++counts.distinct;
      if (known.shared.contains(task.key)) ++counts.known;
      if (!known.done.contains(task.key)) to_do.insert(task.key);
    }
    if (run.graph.pending.has_value()) ++preview_.growing_runs;
    const auto timed = TimedTasks(fleet_, spec, run.resolved.model.get(), run.recipe, run.graph.tasks, {});
    if (halved_.has_value()) {
      std::optional<std::map<Digest, double>> seconds;
      if (timed.has_value()) {
        seconds.emplace();
        for (const TimedTask& task : *timed) seconds->emplace(task.key, task.seconds);
      }
      halved_->Add(run.graph.tasks, seconds, known.done);
    }
    if (!timed.has_value()) {
      preview_.alone_device_seconds.reset();
      preview_.device_seconds.reset();
      return;
    }
    for (const TimedTask& task : *timed) {
      if (preview_.alone_device_seconds.has_value()) *preview_.alone_device_seconds += task.seconds;
      if (!to_do.contains(task.key)) continue;
      if (preview_.device_seconds.has_value()) *preview_.device_seconds += task.seconds;
      if (tasks_.size() <= kMaxSimulatedTasks) tasks_.push_back(task);
    }
  }

  void Finish() {
    if (halved_.has_value()) preview_.halved = halved_->Finish();
    if (!preview_.device_seconds.has_value()) return;
    const StatusOr<Makespan> makespan = SimulateMakespan(tasks_, fleet_.workers);
    if (!makespan.ok()) return;
    preview_.estimated_seconds = makespan->seconds;
    preview_.peak_activation_bytes = makespan->peak_activation_bytes;
  }

 private:
  const Fleet fleet_;
  SweepPreview& preview_;
  std::unordered_set<Digest> seen_;
  std::vector<TimedTask> tasks_;
  std::optional<HalvedTotal> halved_;
};

StatusOr<SweepPreview> Preview(StateReader& reader, std::span<const SubmitRun> runs, const SweepHalving* halving) {
  LWQ_RETURN_IF_ERROR(CheckTogether(runs));
  Fleet fleet;
  LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) { fleet = FleetOf(state); }));
  SweepPreview preview;
  Total total(std::move(fleet), halving, preview);
  for (size_t i = 0; i < runs.size(); ++i) {
    StatusOr<ForeseenRun> run = ForeseeRun(reader, runs[i].spec);
    if (!run.ok()) return OfRun(run.status(), i, runs.size(), runs[i].spec.name);
    KnownTasks known;
    if (run->keyed) LWQ_RETURN_IF_ERROR(FindKnownTasks(reader, run->graph.tasks, known));
    total.Add(runs[i].spec, *run, known);
    preview.runs.push_back(CountedPreview(*std::move(run), known));
  }
  total.Finish();
  return preview;
}

}  // namespace

StatusOr<SweepPreview> PreviewSweep(StateReader& reader, std::span<const SubmitRun> runs) {
  return Preview(reader, runs, nullptr);
}

StatusOr<SweepPreview> PreviewHalvedSweep(StateReader& reader, std::vector<SubmitRun> runs, SweepHalving halving) {
  LWQ_RETURN_IF_ERROR(CheckTogether(runs));
  if (!IsResolved(halving)) LWQ_RETURN_IF_ERROR(ResolveHalving(runs, halving));
  std::vector<ResolvedSpec> resolved;
  for (size_t i = 0; i < runs.size(); ++i) {
    StatusOr<ResolvedSpec> one = ResolveSpec(runs[i].spec);
    if (!one.ok()) return OfRun(one.status(), i, runs.size(), runs[i].spec.name);
    resolved.push_back(*std::move(one));
  }
  std::vector<const ResolvedSpec*> compared;
  for (const ResolvedSpec& one : resolved) compared.push_back(&one);
  LWQ_RETURN_IF_ERROR(CheckHalved(halving, compared));
  return Preview(reader, runs, &halving);
}

}  // namespace lwq::coordinator
