// SPDX-License-Identifier: Apache-2.0
// Why a task of a run is where it is: what it waits for, who could take it and who goes before it, who has it, whose
// result it has. Lines for people, the most telling first. Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "common/status/status.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

// The position in the run of the task that is named: its title, or the first digits of its key, at least four, or a
// part of exactly one title. NOT_FOUND; INVALID_ARGUMENT: several are meant, whose titles the message names.
StatusOr<size_t> FindTask(const RunEntry& run, const std::string& name);

std::vector<std::string> Why(const State& state, const RunEntry& run, size_t position, Instant now);

}  // namespace lwq::coordinator
