// SPDX-License-Identifier: Apache-2.0
// What the scheduler learns from executed tasks: how long tasks take, and so when one has taken too long. Pure on
// State.
#pragma once

#include <cstdint>
#include <string>

#include <optional>
#include <string>
#include "common/model/llama_config.h"
#include "common/task/task_def.h"

#include "coordinator/graph/run_spec.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

// How much work a task is in a run of the spec (plan/cost/task_costs.h); `evaluated_text` names the text that it is of.
double WorkInRun(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe, const TaskDef& def,
                 const std::string& evaluated_text);

// How long the task would take by what was learned; absent where nothing was, or where no run wants it.
std::optional<double> ExpectedSeconds(const State& state, const TaskEntry& task);

// The bytes of the activation that the task makes, if it is a step of a chain: as many as it reads, or as many as its
// run stores where it begins a chain; of a reference the hidden states of its shard of the text. Else 0.
int64_t ExpectedActivationBytes(const State& state, const TaskEntry& task);

// When the LEASED task is to be taken from its worker, the older of two (SchedulerOptions::execution_factor); 0: never.
int64_t ExecutionDeadline(const State& state, const TaskEntry& task);
// When the LEASED task, which one worker has, becomes a straggler (SchedulerOptions::straggler_factor); 0: never.
int64_t StragglerTime(const State& state, const TaskEntry& task);

// The task, which a worker has executed, took this long.
void LearnFrom(State& state, const TaskEntry& task, double seconds);
// What the stored results of executed tasks say: everything LearnFrom was told, but for results since dropped.
void LearnFromStored(State& state);

}  // namespace lwq::coordinator
