// SPDX-License-Identifier: Apache-2.0
// Results that a verification of the object store found gone or damaged (lwq fsck). docs/adr/0046-verification.md has
// the reasons.
//
// What a task that is not over still reads is lost as when its worker had found it gone: its producer runs again at
// once. Every other result is given up as retention gives one up, or as an activation that was deleted: runs that have
// ended keep their numbers and the result's name, and whoever reads it has it made again.
#include <algorithm>
#include <vector>

#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/step/stepper.h"

namespace lwq::coordinator {
namespace {

bool IsReadBySomeTask(const State& state, const TaskEntry& task) {
  return std::any_of(task.consumers.begin(), task.consumers.end(),
                     [&](const Digest& consumer) { return IsLive(state.tasks.at(consumer).record); });
}

}  // namespace

Status Stepper::On(const LoseArtifacts& event) {
  const std::set<Digest> lost(event.artifacts.begin(), event.artifacts.end());
  std::set<Digest> given_up, made_again, producers;
  for (const auto& [key, task] : state_.tasks) {
    if (task.record.state != TaskState::kSucceeded) continue;
    for (const auto& [role, output] : state_.actions.at(task.record.action_key).outputs) {
      if (!lost.contains(output.digest) || !IsReadable(state_, output.digest)) continue;
      if (IsReadBySomeTask(state_, task)) {
        made_again.insert(output.digest);
        producers.insert(key);
      } else {
        given_up.insert(output.digest);
      }
    }
  }
  for (const Digest& artifact : made_again) given_up.erase(artifact);
  for (const Digest& producer : producers) Rewind(producer);
  for (const Digest& artifact : given_up) {
    state_.activations.Lost(artifact, effects_.changes);
    if (state_.kept.Has(artifact)) state_.kept.Retire(artifact, effects_.changes);
  }
  effects_.reply = LostReply{static_cast<int64_t>(made_again.size()), static_cast<int64_t>(given_up.size())};
  return absl::OkStatus();
}

}  // namespace lwq::coordinator
