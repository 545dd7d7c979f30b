// SPDX-License-Identifier: Apache-2.0
// What a process has learnt about its device's memory: the shapes of trainings that did not fit with all activations
// kept, so that the next one of such a shape does not try.
//
// A shape names everything that memory depends on but the worker's limit: the blocks, the micro-batch, the precision.
// What a training returns does not depend on what was learnt: to the last bit. Called from the compute thread. A null
// LearntMemory learns nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/status/status.h"

namespace lwq::qat {

class LearntMemory {
 public:
  virtual ~LearntMemory() = default;
  // Whether a training of this shape is to recompute its activations from the beginning.
  virtual bool Recomputes(std::string_view shape) const = 0;
  // One did not fit, for that reason, after `step` of `steps`; it goes on from there and recomputes.
  virtual void DidNotFit(std::string_view shape, const Status& reason, int64_t step, int64_t steps) = 0;
};

}  // namespace lwq::qat
