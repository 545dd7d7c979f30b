// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/live_roots.h"

namespace lwq::coordinator {
namespace {

void AddInputs(const RunSpec& spec, std::vector<ArtifactRef>& artifacts) {
  const auto add = [&](const ArtifactRef& artifact) {
    if (!artifact.digest.is_zero()) artifacts.push_back(artifact);
  };
  if (spec.model.has_value()) {
    add(spec.model->files);
    add(spec.model->tokenizer);
    add(spec.model->companions);
  }
  if (spec.calibration.has_value()) add(spec.calibration->files);
  for (const TextSource& text : spec.eval_texts) add(text.files);
  for (const TextSource& task : spec.eval_tasks) add(task.files);
}

}  // namespace

LiveRoots LiveRootsOf(const State& state, Instant now) {
  LiveRoots roots;
  roots.artifacts.reserve(state.runs.size() * 3 + state.kept.all().size() + state.activations.all().size());
  for (const auto& [id, run] : state.runs) AddInputs(*run.record.spec, roots.artifacts);
  for (const auto& [digest, kept] : state.kept.all()) {
    if (!kept.retired) roots.artifacts.push_back({digest, kept.size_bytes});
  }
  for (const auto& [digest, activation] : state.activations.all()) {
    if (activation.state != ActivationState::kDeleted) {
      roots.artifacts.push_back({digest, activation.size_bytes});
    }
  }
  for (const auto& [key, task] : state.tasks) {
    if (task.record.checkpoint.has_value()) roots.artifacts.push_back(task.record.checkpoint->artifact);
  }
  roots.actions.reserve(state.actions.size());
  for (const auto* action : InOrder(state.actions)) roots.actions.push_back(action->first);
  roots.working_since_unix_ms = now.unix_ms;
  for (const auto& [id, worker] : state.workers) {
    if (!worker.lease.has_value()) continue;
    roots.working_since_unix_ms = std::min(roots.working_since_unix_ms, state.tasks.at(*worker.lease).leased_unix_ms);
  }
  return roots;
}

}  // namespace lwq::coordinator
