// Submissions before they are runs: what can be said of a spec alone, and what the state says to it.
//
// Pure; thread-safe. Not here: what an accepted submission changes (step_submit.cc).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status/status.h"
#include "coordinator/graph/run_spec.h"
#include "coordinator/plan/plan.h"
#include "coordinator/scheduler/events.h"
#include "coordinator/scheduler/state.h"
#include "coordinator/scheduler/state_reader.h"

namespace lwq::coordinator {

inline constexpr size_t kMaxRunsAtOnce = 1000;

// What follows from a spec alone.
struct PreparedRun {
  Digest spec_digest;
  ResolvedSpec resolved;
  Plan plan;
};

// INVALID_ARGUMENT, FAILED_PRECONDITION: what is wrong with the spec.
StatusOr<PreparedRun> PrepareRun(const RunSpec& spec);

// The run that was submitted with this request_id before, if any. INVALID_ARGUMENT: the id is too long. ALREADY_EXISTS:
// it came with another spec.
StatusOr<std::optional<RunId>> SubmittedBefore(const State& state, const std::string& request_id,
                                               const Digest& spec_digest);

// Whether the run would be accepted now. Errors of SubmittedBefore; FAILED_PRECONDITION: a task fits no worker.
Status Admit(const State& state, const std::string& request_id, const PreparedRun& prepared);

// INVALID_ARGUMENT: none, more than kMaxRunsAtOnce, or a request_id that is there twice.
Status CheckTogether(std::span<const SubmitRun> runs);

// "run 3 of 500 (its name): " in front of the message. `index` counts from 0.
Status OfRun(const Status& status, size_t index, size_t count, std::string_view name);

// The plans of submissions that would be accepted together, in their order. Takes one short look at the state. Errors
// as SubmitRuns, and the reader's.
StatusOr<std::vector<PreparedRun>> ValidateRuns(StateReader& reader, std::span<const SubmitRun> runs);

}  // namespace lwq::coordinator
