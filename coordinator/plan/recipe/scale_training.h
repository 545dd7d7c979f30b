// SPDX-License-Identifier: Apache-2.0
// What E2E-QP comes to in a run (recipe field e2e_qp; docs/e2e_qp.md): how many optimizer steps, and into which tasks
// they are cut.
//
// Pure; thread-safe.
#pragma once

#include <cstdint>

#include "common/recipe/recipe.h"

namespace lwq::coordinator {

// Whether scales are trained end to end after the blocks are quantized.
bool TrainsScales(const Recipe& recipe);

// round(e2e_epochs × ceil(e2e_train_size / e2e_batch_size)).
int64_t ScaleTrainingSteps(const Recipe& recipe);

// Optimizer steps of a task: what about 131072 tokens make, at least one. Where a chain is cut changes none of its
// results, only what a lost worker loses.
int64_t SegmentSteps(const Recipe& recipe);

}  // namespace lwq::coordinator
