// One quantized linear as GPTQ's four tensors (checkpoint_format "gptq_v2": zero points stored as they are), and back.
//
// For in_features K, out_features N, b bits, G = K / group_size groups:
//   qweight I32 [ceil(K·b/32), N]   codes, packed along K
//   qzeros  I32 [G, ceil(N·b/32)]   zero points, packed along N
//   scales  F16 [G, N]
//   g_idx   I32 [K] = i / group_size
// Unpack(Pack(linear)) returns codes and zero points bit for bit, and scales bit for bit when they are fp16 numbers;
// other scales are rounded, and the caller is told how far. Widths: 2, 3, 4 and 8 bits, for which alone the format has
// a layout. Source: the tensor layout of GPTQModel's quantized linear. Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/tensor.h"
#include "common/model/gptq_config.h"
#include "common/status/status.h"
#include "worker/qat/api/block.h"
#include "worker/qat/pack/half.h"

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

// INVALID_ARGUMENT naming `what` unless dtypes, shapes and ranges are those block.h promises.
Status CheckQuantizedLinear(const QuantizedLinear& linear, std::string_view what);

// [rows, columns] → [columns, rows], any dtype.
HostTensor Transpose(const HostTensor& matrix);

}  // namespace lwq::qat
