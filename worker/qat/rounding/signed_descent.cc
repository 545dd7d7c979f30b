// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/rounding/signed_descent.h"

#include <c10/core/GradMode.h>

namespace lwq::qat {

void SignedDescent::Step() {
  const c10::NoGradGuard no_grad;
  for (auto& [parameter, group] : parameters_) {
    if (!parameter.grad().defined()) continue;
    parameter.sub_(parameter.grad().sign(), rates_[static_cast<size_t>(group)]);
  }
}

void SignedDescent::ZeroGrad() {
  for (auto& [parameter, group] : parameters_) parameter.mutable_grad().reset();
}

}  // namespace lwq::qat
