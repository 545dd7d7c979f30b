// SPDX-License-Identifier: Apache-2.0
// From trained parameters to the integers that are stored and served, and back.
//
// DeriveQuantizedLinear and Dequantize are exact inverses of what training saw: Dequantize(DeriveQuantizedLinear(w, s,
// z)) has the bits of FakeQuant(w, s, z). With scales from RoundScaleToFp16Ste the stored scales are fp16 numbers.
// Thread-safety: no state. Call inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "common/status/status.h"
#include "worker/qat/api/block.h"

namespace lwq::qat {

// Shapes as in quantizer_reference.h; any device. INVALID_ARGUMENT for wrong shapes and for weights, scales or zero
// points that are not finite.
StatusOr<QuantizedLinear> DeriveQuantizedLinear(const at::Tensor& weight, const at::Tensor& scale,
                                                const at::Tensor& zero_point, int bits, int64_t group_size);

// (code − zero) · scale, [out, in] fp32 on `device`. Throws StatusError (INVALID_ARGUMENT) when the parts do not fit
// together.
at::Tensor Dequantize(const QuantizedLinear& linear, at::Device device);

}  // namespace lwq::qat
