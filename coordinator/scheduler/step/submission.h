// SPDX-License-Identifier: Apache-2.0
// Submissions before they are runs: what can be said of a spec alone, and what the state says to it.
// A spec is planned, and its graph built, before the loop sees it (docs/adr/0015-answers-beside-the-loop.md). The graph
// follows from the spec and the classes that were chosen for its kinds; the step chooses again, and takes the graph
// only if it was built for the same.
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
#include "coordinator/scheduler/choose/placement.h"
#include "coordinator/scheduler/state/events.h"
#include "coordinator/scheduler/state/prepared_graph.h"
#include "coordinator/scheduler/state/state.h"
#include "coordinator/scheduler/state/state_reader.h"

namespace lwq::coordinator {

inline constexpr size_t kMaxRunsAtOnce = 1000;

// What follows from a spec alone and, where classes could be chosen for its kinds, the graph it begins with.
struct PreparedRun {
  struct Start {
    ChosenClasses chosen;
    PreparedGraph graph;
  };

  Digest spec_digest;
  ResolvedSpec resolved;
  Plan plan;
  std::optional<Start> start;
};

// Without a start. INVALID_ARGUMENT, FAILED_PRECONDITION: what is wrong with the spec.
StatusOr<PreparedRun> PrepareRun(const RunSpec& spec);

// Fills `prepared` of the submissions, with one short look at the state: the step that accepts them builds no graph
// then, unless other classes are chosen by that time. A spec that is wrong is left unprepared, for the step to refuse.
// Errors: the reader's.
Status PrepareRuns(StateReader& reader, std::span<SubmitRun> runs);

// The run that was submitted with this request_id before, if any. INVALID_ARGUMENT: the id is too long. ALREADY_EXISTS:
// it came with another spec.
StatusOr<std::optional<RunId>> SubmittedBefore(const State& state, const std::string& request_id,
                                               const Digest& spec_digest);

// Whether the run would be accepted now. Errors of SubmittedBefore; FAILED_PRECONDITION: a task fits no worker.
Status Admit(const State& state, const std::string& request_id, const PreparedRun& prepared);

// RESOURCE_EXHAUSTED: with the inputs that these add to those that are there, a project would have more than it may.
Status CheckInputs(const State& state, const ProjectInputs& there, std::span<const RunSpec* const> specs);

// INVALID_ARGUMENT: none, more than kMaxRunsAtOnce, or a request_id that is there twice.
Status CheckTogether(std::span<const SubmitRun> runs);

// INVALID_ARGUMENT: a name, an axis or a value that is no line, labels that are not those of as many runs, a request_id
// that is too long.
Status CheckSweep(const SubmitSweep& sweep);

// Of all that the sweep is submitted with but its request_id; a halving resolved.
Digest DigestOfSweep(const SubmitSweep& sweep, std::span<const std::shared_ptr<const PreparedRun>> prepared);

// The sweep that was submitted with this request_id before, if any. ALREADY_EXISTS: it came with other runs.
StatusOr<std::optional<SweepId>> SweptBefore(const State& state, const std::string& request_id,
                                             const Digest& spec_digest);

// "run 3 of 500 (its name): " in front of the message. `index` counts from 0.
Status OfRun(const Status& status, size_t index, size_t count, std::string_view name);

// The plans of submissions that would be accepted together, in their order. Takes one short look at the state. Errors
// as SubmitRuns, and the reader's.
StatusOr<std::vector<PreparedRun>> ValidateRuns(StateReader& reader, std::span<const SubmitRun> runs);

}  // namespace lwq::coordinator
