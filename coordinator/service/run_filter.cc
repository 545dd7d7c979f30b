// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/run_filter.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "common/text/name_pattern.h"
#include "coordinator/service/convert_run.h"

namespace lwq::coordinator {

StatusOr<RunFilter> FilterOf(const State& state, const Caller& caller, const lwqat::v1::ListRunsRequest& request) {
  std::set<int> states;
  for (const int asked : request.states()) {
    if (!wire::RunState_IsValid(asked) || asked == wire::RUN_STATE_UNSPECIFIED) {
      return absl::InvalidArgumentError(absl::StrCat("states: ", asked, " is no state of a run"));
    }
    states.insert(asked);
  }
  SweepId sweep;
  if (!request.sweep_id().empty()) {
    LWQ_ASSIGN_OR_RETURN(sweep, VisibleSweep(state, caller, request.sweep_id()));
  }
  return [&request, &caller, states, sweep](const RunEntry& run) {
    const RunSpec& spec = *run.record.spec;
    return caller.MaySee(spec.project) && (states.empty() || states.contains(ToWire(run.record.state))) &&
           (request.project().empty() || spec.project == request.project()) &&
           (sweep.value.empty() || run.sweep == sweep) && MatchesPattern(spec.name, request.name());
  };
}

}  // namespace lwq::coordinator
