// SPDX-License-Identifier: Apache-2.0
// The decoded weights of a quantized linear as a plain fp16 matrix.
//
// scale · (code − zero) has up to 11 + 8 significant bits, fp16 has 11: decoding is exact in fp32 and in general not
// in fp16. The fp16 weights are the exact ones rounded to nearest even, which is what a kernel that dequantizes in
// fp16 computes from the packed tensors as well. How far they are off is measured. Thread-safety: pure.
#pragma once

#include "common/export/block.h"
#include "common/status/status.h"

namespace lwq::qat {

struct DecodeRounding {
  int64_t changed = 0;            // weights that fp16 cannot represent
  double max_absolute_error = 0;  // of those, |fp16 − fp32|
};

// F16 [out, in]. INVALID_ARGUMENT naming `what` when a weight exceeds fp16's range. Requires CheckQuantizedLinear.
// Adds to `rounding`.
StatusOr<HostTensor> DecodeToF16(const QuantizedLinear& linear, std::string_view what, DecodeRounding* rounding);
// The exact weights: F32 [out, in].
HostTensor DecodeToF32(const QuantizedLinear& linear);

}  // namespace lwq::qat
