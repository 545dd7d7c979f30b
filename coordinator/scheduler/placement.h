// Which class of workers a run is pinned to. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>

#include "common/status/status.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/plan/plan.h"
#include "coordinator/scheduler/state.h"

namespace lwq::coordinator {

struct ChosenClass {
  std::string base;
  bool hardware_bf16 = false;
};

// Among live workers that are not draining, have the run's threads and execute its kinds: the base the spec names, else
// one that another run of the same model is pinned to (so that they share), else the one with most workers; ties to the
// lexicographically first. Nothing yet: no such worker is there. FAILED_PRECONDITION with the missing memory when there
// are, but the largest task fits none of them.
StatusOr<std::optional<ChosenClass>> ChooseClass(const State& state, const ResolvedSpec& resolved, const Plan& plan);

// "1.5 GiB": bytes for people.
std::string HumanBytes(int64_t bytes);

}  // namespace lwq::coordinator
