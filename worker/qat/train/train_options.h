// SPDX-License-Identifier: Apache-2.0
// Refuses training requests that cannot mean anything, before any tensor is allocated.
#pragma once

#include <cstdint>

#include "worker/qat/api/train_block.h"

namespace lwq::qat {

// What the options mean for these inputs.
struct TrainPlan {
  int64_t seqlen = 0;
  int64_t train_samples = 0;
  int64_t val_samples = 0;
  int64_t micro_batch = 0;        // samples a forward pass takes
  int64_t batches_per_epoch = 0;  // optimizer steps of a whole epoch; the last may be partial
  int64_t steps = 0;
};

// Inputs and targets of equal number and length, which is returned. INVALID_ARGUMENT naming the sample set that is
// wrong.
StatusOr<int64_t> CheckSamples(const LlamaConfig& config, const TrainInputs& inputs);

// `blocks`: in the unit. INVALID_ARGUMENT naming the option, the block, or the sample set that is wrong.
StatusOr<TrainPlan> PlanTraining(const LlamaConfig& config, size_t blocks, const TrainInputs& inputs,
                                 const TrainOptions& options);

}  // namespace lwq::qat
