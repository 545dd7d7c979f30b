// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <numbers>

#include "worker/qat/api/train_block.h"

namespace lwq::qat {
namespace {

// 1 + cos(πt/T)
double OnePlusCos(int64_t step, int64_t steps) {
  return 1 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(steps));
}

}  // namespace

int64_t PlannedSteps(double epochs, int64_t train_samples, int64_t batch_size) {
  const int64_t batches = (train_samples + batch_size - 1) / batch_size;
  return std::llround(epochs * static_cast<double>(batches));
}

double LearningRate(LrSchedule schedule, double base_lr, double min_lr_factor, int64_t step, int64_t steps) {
  if (step == 0) return base_lr;
  const double min_lr = base_lr / min_lr_factor;
  const double closed_form = min_lr + (base_lr - min_lr) * OnePlusCos(step, steps) / 2;
  switch (schedule) {
    case LrSchedule::kCosine:
      return closed_form;
    case LrSchedule::kChainedCosine:
      // The scheduler's recursion applied once more to the rate it has just computed: get_lr() called after step().
      return min_lr + (closed_form - min_lr) * OnePlusCos(step, steps) / OnePlusCos(step - 1, steps);
  }
  return closed_form;
}

}  // namespace lwq::qat
