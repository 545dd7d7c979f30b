// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/train/best_keeper.h"

namespace lwq::qat {

bool BestKeeper::Offer(double val_loss, absl::FunctionRef<std::vector<TrainedBlock>()> state) {
  if (!(val_loss < loss_)) return false;
  loss_ = val_loss;
  best_.reset();
  best_ = state();
  return true;
}

}  // namespace lwq::qat
