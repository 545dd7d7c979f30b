// SPDX-License-Identifier: Apache-2.0
// GPTQ of one linear, given the factor of its input's inverse Hessian (worker/qat/api/gptq.h says what is computed).
//
// On the CPU. Thread-safety: no state. Throws StatusError and LibTorch's exceptions: use inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/qat/api/block.h"
#include "worker/qat/api/gptq.h"
#include "worker/qat/gptq/input_hessian.h"

namespace lwq::qat {

struct RoundedLinear {
  QuantizedLinear quantized;
  at::Tensor latent;  // float32 [out, in]
  double error = 0;   // tr((W − Q) H (W − Q)ᵀ)
};

// What all linears that read the same share.
struct ReadColumns {
  InverseFactor factor;  // in the order of `order`
  at::Tensor order;      // int64 [in]: position → column; undefined: as they are
  at::Tensor dead;       // bool [in], by column
};

// Order and factor of a Hessian; nothing where no damping makes it positive definite.
std::optional<ReadColumns> ReadColumnsOf(at::Tensor hessian, const GptqOptions& options);

// weight: float32 [out, in], finite, contiguous; not changed. INVALID_ARGUMENT where bits or groups do not fit. Where
// errors outgrow float32 the result's error is not finite, and the rest of it is of no use.
RoundedLinear RoundByGptq(const at::Tensor& weight, const ReadColumns& columns, const GptqOptions& options);

}  // namespace lwq::qat
