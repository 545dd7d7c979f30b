// SPDX-License-Identifier: Apache-2.0
// Sweeps between the wire and values. Pure; thread-safe.
#pragma once

#include "common/status/status.h"
#include "coordinator/scheduler/foresee/sweep_preview.h"
#include "coordinator/scheduler/state/events.h"
#include "coordinator/scheduler/state/state.h"
#include "coordinator/service/convert_spec.h"
#include "lwqat/v1/sweep_service.pb.h"

namespace lwq::coordinator {

// INVALID_ARGUMENT: a run cannot be one, which ("run 3 of 500 (its name): …"), or there are none or too many; halving
// that cannot be, or not of such runs (ResolveHalving).
StatusOr<SubmitSweep> FromWire(const wire::SubmitSweepRequest& request);
StatusOr<std::vector<SubmitRun>> FromWire(const wire::SweepSpec& spec);
// Not resolved; none where there is none.
StatusOr<std::optional<SweepHalving>> HalvingFromWire(const wire::SweepSpec& spec);

// Requires the sweep to be there.
void SweepToWire(const State& state, const SweepId& id, wire::Sweep* message);
// NOT_FOUND: it was deleted in the commit in which it was changed.
Status AnswerSweep(const State& state, const SweepId& id, wire::Sweep* message);
// Without members, whose tasks need not be looked at then.
void SweepSummaryToWire(const SweepRecord& sweep, wire::Sweep* message);

void ToWire(const SweepPreview& preview, wire::SweepPlan* message);

}  // namespace lwq::coordinator
