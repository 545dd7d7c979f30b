// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/stored_artifacts.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "coordinator/scheduler/state/garbage.h"

namespace lwq::coordinator {
namespace {

void AddInputs(const RunRecord& run, std::map<Digest, StoredArtifact>& inputs) {
  const auto add = [&](const ArtifactRef& artifact, std::string what) {
    if (artifact.digest.is_zero()) return;
    inputs[artifact.digest] = {.artifact = artifact, .run = run.id, .what = std::move(what)};
  };
  const RunSpec& spec = *run.spec;
  if (spec.model.has_value()) {
    add(spec.model->companions, "files beside the model");
    add(spec.model->tokenizer, "tokenizer");
    add(spec.model->files, "model");
  }
  if (spec.calibration.has_value()) add(spec.calibration->files, absl::StrCat("text ", spec.calibration->name));
  for (const TextSource& text : spec.eval_texts) add(text.files, absl::StrCat("text ", text.name));
  for (const TextSource& task : spec.eval_tasks) add(task.files, absl::StrCat("items of ", task.name));
}

// The title in the newest run that has it.
struct Named {
  RunId run;
  std::string title;
};

}  // namespace

std::vector<StoredArtifact> StoredArtifactsOf(const State& state) {
  std::map<Digest, StoredArtifact> inputs;
  std::map<Digest, Named> names;
  for (const auto& [sequence, id] : state.runs_by_sequence) {
    const RunEntry& run = state.runs.at(id);
    AddInputs(run.record, inputs);
    for (const RunTaskRecord& task : run.tasks) names[task.key] = {id, task.title};
  }
  std::vector<StoredArtifact> artifacts;
  for (auto& [digest, input] : inputs) artifacts.push_back(std::move(input));
  for (const auto* action : InOrder(state.actions)) {
    // A result of tasks that no run has any more is none that should be there: the next deletion takes them along.
    const std::set<Digest>& users = state.action_users.at(action->first);
    const auto user = std::find_if(users.begin(), users.end(), [&](const Digest& key) { return names.contains(key); });
    if (user == users.end()) continue;
    const Named& named = names.at(*user);
    const size_t before = artifacts.size();
    for (const auto& [role, output] : action->second.outputs) {
      if (!IsReadable(state, output.digest)) continue;
      artifacts.push_back({output, ArtifactOrigin::kResult, named.run, named.title, *user, role, action->first});
    }
    if (artifacts.size() == before) {
      artifacts.push_back({{}, ArtifactOrigin::kResult, named.run, named.title, *user, "", action->first});
    }
  }
  for (const auto& [key, task] : state.tasks) {
    const auto named = names.find(key);
    if (!task.record.checkpoint.has_value() || named == names.end()) continue;
    artifacts.push_back({.artifact = task.record.checkpoint->artifact,
                         .origin = ArtifactOrigin::kCheckpoint,
                         .run = named->second.run,
                         .what = named->second.title,
                         .task = key});
  }
  return artifacts;
}

}  // namespace lwq::coordinator
