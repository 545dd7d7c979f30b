// SPDX-License-Identifier: Apache-2.0
// E2E-QP as tasks (recipe field e2e_qp): a chain of segments, each some optimizer steps of the whole model's scales.
//
//   all block checkpoints ─┬─▶ train_scales 1 ─state─▶ train_scales 2 ─state─▶ … ─▶ all block checkpoints
//   tokens ────────────────┘
//
// Each segment reads the checkpoints that blocks came out of their own quantization with; what it goes on from is the
// state alone. The last one makes checkpoints in their place, which evaluations and the export read. Pure;
// thread-safe.
#pragma once

#include <cstdint>
#include <map>

#include "common/task/task_params.h"
#include "coordinator/graph/planned_task.h"
#include "coordinator/graph/run_spec.h"

namespace lwq::coordinator {

// By block.
using BlockCheckpoints = std::map<int64_t, TaskOutputRef>;

// The windows that E2E-QP trains and validates on. With the defaults those of the calibration, and the same task.
TokenizeParams ScaleTrainingWindows(const Recipe& recipe);

// Segment `first_step` on of the chain.
TrainScalesParams SegmentParams(const Recipe& recipe, int64_t blocks, int64_t first_step);

// Adds the chain; `quantized` has a checkpoint for every block of the model. Returns what the blocks are after it.
BlockCheckpoints AddScaleTraining(const RunSpec& spec, const Recipe& recipe, const TaskInput& tokens,
                                  const BlockCheckpoints& quantized, TaskList& tasks);

}  // namespace lwq::coordinator
