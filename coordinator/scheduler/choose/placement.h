// SPDX-License-Identifier: Apache-2.0
// Which classes of workers a run's kinds of tasks are pinned to. Pure; thread-safe.
//
// Every kind is chosen for by itself, so that a run may compute targets on L4s and train on A100s. A worker counts for
// a kind where it is here (IsHere) and not draining, executes the kind for the run's project, has the run's threads,
// and, where the spec names a base for the kind (kind_classes, else numerics_class), has that base; it fits where it
// has the memory one task of the kind needs as well. Among the bases of fitting workers, the kind is pinned to
//   1. one that other runs of the same model use for the kind: so they share results;
//   2. else the one chosen for the run's main kind (MainKindOf), which is chosen first: nothing is copied about;
//   3. else the one where the run would end first, by how long tasks of the kind took there so far and how many running
//      runs there are for each fitting worker; among equals the one with most fitting workers.
// Several bases in 1: that of 2 if it is one of them, else as in 3. Ties go to the lexicographically first.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "common/status/status.h"
#include "coordinator/graph/kind_classes.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

struct ChosenClasses {
  KindBases bases;             // of every pinned kind that the run needs; none where it needs none
  bool hardware_bf16 = false;  // every fitting worker of the main kind's base has it

  friend bool operator==(const ChosenClasses&, const ChosenClasses&) = default;
};

// Nothing yet: no worker counts for one of the pinned kinds, so the run waits. FAILED_PRECONDITION: workers count for a
// kind, pinned or not, but it fits none; the message names the kind and the memory that is missing.
StatusOr<std::optional<ChosenClasses>> ChooseClasses(const State& state, const ResolvedSpec& resolved);

// The bases of the workers that are here.
std::set<std::string> BasesHere(const State& state);
// Those that tasks of the run still need and that are not `here`.
std::set<std::string> MissingBases(const State& state, const RunEntry& run, const std::set<std::string>& here);

// "1.5 GiB": bytes for people.
std::string HumanBytes(int64_t bytes);

}  // namespace lwq::coordinator
