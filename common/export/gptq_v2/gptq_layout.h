// SPDX-License-Identifier: Apache-2.0
// One quantized linear as GPTQ's four tensors (checkpoint_format "gptq_v2": zero points stored as they are), and back.
// common/export_format/gptq_v2.h has their shapes.
//
// Unpack(Pack(linear)) returns codes and zero points bit for bit, and scales bit for bit when they are fp16 numbers;
// other scales are rounded, and the caller is told how far. Widths: 2, 3, 4 and 8 bits, for which alone the format has
// a layout. Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/tensor.h"
#include "common/export/block.h"
#include "common/export/half.h"
#include "common/export_format/gptq_v2.h"
#include "common/status/status.h"

namespace lwq::qat {

struct GptqTensors {
  HostTensor qweight;
  HostTensor qzeros;
  HostTensor scales;
  HostTensor g_idx;
};

// INVALID_ARGUMENT naming `what` when the parts do not fit together, a code or zero point exceeds its width, or a scale
// is not finite in fp16. Adds to `rounding`.
StatusOr<GptqTensors> PackGptq(const QuantizedLinear& linear, std::string_view what, HalfRounding* rounding);

// `scales` may be F16, BF16 or F32. INVALID_ARGUMENT naming `what` and the tensor for wrong shapes and dtypes;
// FAILED_PRECONDITION when g_idx is not i / group_size (activation order); DATA_LOSS when a scale is not finite.
StatusOr<QuantizedLinear> UnpackGptq(const GptqTensors& tensors, int64_t out_features, int64_t in_features, int bits,
                                     int64_t group_size, std::string_view what);

}  // namespace lwq::qat
