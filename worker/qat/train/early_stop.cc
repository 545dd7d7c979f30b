// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/train/early_stop.h"

namespace lwq::qat {

bool EarlyStop::Observe(double val_loss) {
  if (val_loss < best_) {
    best_ = val_loss;
    if (resets_) failures_ = 0;
  } else {
    ++failures_;
  }
  return patience_ > 0 && static_cast<double>(failures_) >= patience_;
}

}  // namespace lwq::qat
