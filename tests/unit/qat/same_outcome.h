// SPDX-License-Identifier: Apache-2.0
// Whether two trainings gave the same, to the last bit.
#pragma once

#include "worker/qat/api/train_block.h"

namespace lwq::qat {

// Fails the test where blocks, losses, gradient norms or counts differ; times may, and what became of activations.
void ExpectSame(const TrainOutcome& a, const TrainOutcome& b);

}  // namespace lwq::qat
