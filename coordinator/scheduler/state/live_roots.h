// SPDX-License-Identifier: Apache-2.0
// What the coordinator needs in the object store: the roots of a collection (common/artifact/collector.h).
//
// An artifact is a root where a run's spec names it, or where it is the result of an action that is remembered and was
// neither retired nor deleted as an activation. What is only discarded, a worker is about to delete; it counts until
// then, since it may be made again first. So is the checkpoint of a task that is not over. Pure on State; cost: all
// runs, tasks and results.
#pragma once

#include <cstdint>
#include <vector>

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

struct LiveRoots {
  std::vector<ArtifactRef> artifacts;  // in no order; one may be named more than once
  std::vector<Digest> actions;         // whose records are needed
  // When the task that is executed longest was leased; `now` where none is, 0 where one was before a restart.
  int64_t working_since_unix_ms = 0;
};

LiveRoots LiveRootsOf(const State& state, Instant now);

}  // namespace lwq::coordinator
