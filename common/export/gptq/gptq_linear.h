// SPDX-License-Identifier: Apache-2.0
// One quantized linear as GPTQ's four tensors, and back. common/export_format/gptq.h has their shapes.
//
// Zero points are stored as they are, or in version 1 each less one. A zero point of 0 is then neither written nor
// read: some programs store the largest number for it and read that as 0, others read 2^bits, and GPTQModel borrows
// from the next zero point of the word.
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
#include "common/export_format/gptq.h"
#include "common/status/status.h"

namespace lwq::qat {

struct GptqTensors {
  HostTensor qweight;
  HostTensor qzeros;
  HostTensor scales;
  HostTensor g_idx;
};

// INVALID_ARGUMENT naming `what` when the parts do not fit together, a code or zero point exceeds its width, or a scale
// is not finite in fp16; in version 1 also for a zero point of 0. Adds to `rounding`.
StatusOr<GptqTensors> PackGptq(const QuantizedLinear& linear, std::string_view what, HalfRounding* rounding,
                               StoredZeros zeros = StoredZeros::kAsTheyAre);

// `scales` may be F16, BF16 or F32. INVALID_ARGUMENT naming `what` and the tensor for wrong shapes and dtypes;
// FAILED_PRECONDITION when g_idx is not i / group_size (activation order), and in version 1 for what may stand for a
// zero point of 0; DATA_LOSS when a scale is not finite.
StatusOr<QuantizedLinear> UnpackGptq(const GptqTensors& tensors, int64_t out_features, int64_t in_features, int bits,
                                     int64_t group_size, std::string_view what,
                                     StoredZeros zeros = StoredZeros::kAsTheyAre);

}  // namespace lwq::qat
