// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "worker/qat/api/train_block.h"

namespace lwq::qat {
namespace {

// As torch.nn.utils.clip_grad_norm_ has it, so that a norm of 0 divides nothing by 0.
constexpr double kEpsilon = 1e-6;

}  // namespace

double ClipFactor(double norm, double clip_grad) {
  return clip_grad == 0 ? 1 : std::min(1.0, clip_grad / (norm + kEpsilon));
}

}  // namespace lwq::qat
