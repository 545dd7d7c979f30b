// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/first_calls.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/log.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/tanh.h>
#include <c10/core/GradMode.h>

namespace lwq::qat {

void CallVectorFunctionsOnce() {
  const c10::AutoGradMode no_grad(false);
  const at::Tensor one = at::ones({1});
  for (const auto function : {at::sqrt, at::exp, at::log, at::sin, at::cos, at::tanh, at::erf}) function(one);
}

}  // namespace lwq::qat
