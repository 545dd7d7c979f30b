// SPDX-License-Identifier: Apache-2.0
// What should be whole in the object store and what it is, for whoever verifies it (StorageService.ListArtifacts).
//
// As the roots of a collection (live_roots.h), without what is only there because it has not been deleted yet. Pure on
// State; cost: all runs, tasks and results.
#pragma once

#include <string>
#include <vector>

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

enum class ArtifactOrigin { kInput, kResult, kCheckpoint };

struct StoredArtifact {
  ArtifactRef artifact;
  ArtifactOrigin origin = ArtifactOrigin::kInput;
  RunId run;              // the newest that has it
  std::string what;       // "model", "text held-out", a task's title
  Digest task = {};       // not of an input
  std::string role = {};  // kResult: of the task's outputs
  Digest action = {};     // kResult
};

// An input once, in the order of digests; a result once for each action that made it, in the order of actions; an
// action of which nothing is stored once, with a zero digest, for the sake of its record.
std::vector<StoredArtifact> StoredArtifactsOf(const State& state);

}  // namespace lwq::coordinator
