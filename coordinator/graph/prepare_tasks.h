// SPDX-License-Identifier: Apache-2.0
// Preparing a model's blocks as tasks: a search of scales for each (recipe field prepare), which every task reads that
// quantizes or measures the block's weights.
//
//   A(k) ─search_scales k─▶ scales k ─▶ train, round, measure block k
//
// The full-precision chain stays as it is: scaled blocks are the same function. So do blocks at full precision within
// the quantized chain, within evaluations and beside a block whose loss is measured; where block k is quantized, its
// checkpoint has the scales worked in. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "coordinator/graph/model_state.h"
#include "coordinator/graph/planned_task.h"
#include "coordinator/graph/run_spec.h"

namespace lwq::coordinator {

// By block; empty where blocks are taken as the model has them.
using ScalesByBlock = std::vector<TaskOutputRef>;

// Adds the searches. `full_precision` has all blocks at full precision.
ScalesByBlock AddScaleSearches(const RunSpec& spec, const LlamaConfig& model, const Recipe& recipe,
                               ModelState& full_precision, TaskList& tasks);

// Has the task work the block's scales, where there are any, into the block that its "model" has.
void AddScalesInput(const ScalesByBlock& scales, int64_t block, TaskDef& def);

}  // namespace lwq::coordinator
