// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/learnt_shapes.h"

#include "spdlog/spdlog.h"

namespace lwq::worker {

bool LearntShapes::Recomputes(std::string_view shape) const {
  if (!shapes_.contains(shape)) return false;
  spdlog::info("recomputes activations: they did not fit when last kept ({})", shape);
  return true;
}

void LearntShapes::DidNotFit(std::string_view shape, const Status& reason, int64_t step, int64_t steps) {
  shapes_.emplace(shape);
  spdlog::warn("{} ({}); goes on from step {} of {} with activations recomputed: the same bits, more time",
               MessageOf(reason), shape, step, steps);
  observe_();
}

}  // namespace lwq::worker
