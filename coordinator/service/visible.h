// SPDX-License-Identifier: Apache-2.0
// Runs, sweeps and workers as a caller may have them. Pure on State.
//
// Errors: those of FindRun and FindSweep, and PERMISSION_DENIED for what is of a project the caller is not for. A
// project never changes and an id never comes again: what was allowed once stays so.
#pragma once

#include <span>
#include <string>

#include "coordinator/access/caller.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

StatusOr<RunId> VisibleRun(const State& state, const Caller& caller, const std::string& id_or_prefix);
// One all of whose runs are.
StatusOr<SweepId> VisibleSweep(const State& state, const Caller& caller, const std::string& id_or_prefix);
bool MaySee(const State& state, const Caller& caller, const SweepRecord& sweep);

// Of what a caller submits or plans: its projects are its own.
Status CheckProjects(const Caller& caller, std::span<const SubmitRun> runs);

// Whether a task of it is the caller's to know of: some run that wants it is.
bool MaySee(const State& state, const Caller& caller, const TaskEntry& task);

// The worker was registered with the caller's token. NOT_FOUND: with another one for no more projects, as after the
// token was renewed: register again. An unknown worker is the scheduler's to refuse.
Status CheckWorker(const State& state, const Caller& caller, const WorkerId& worker);
// Whether the caller may register a worker of the name, which takes the place of one that has it: not of one that is
// alive and executes tasks for projects that the caller is not for.
Status CheckWorkerName(const State& state, const Caller& caller, const std::string& name);

}  // namespace lwq::coordinator
