// SPDX-License-Identifier: Apache-2.0
// One quantized linear as the tensors of compressed-tensors' "pack-quantized", and back.
// common/export_format/compressed_tensors.h has their shapes.
//
// Unpack(Pack(linear)) returns codes and zero points bit for bit, and scales bit for bit when they are fp16 numbers;
// other scales are rounded, and the caller is told how far. Every width. Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/artifact/tensor.h"
#include "common/export/block.h"
#include "common/export/half.h"
#include "common/model/linear_storage.h"
#include "common/recipe/zero_points.h"
#include "common/status/status.h"

namespace lwq::qat {

struct PackedLinear {
  HostTensor weight;
  HostTensor scale;
  std::optional<HostTensor> zero_point;  // absent: symmetric
  HostTensor shape;
};

// INVALID_ARGUMENT naming `what` when the parts do not fit together, a code or zero point exceeds its width, or a scale
// is not finite in fp16. Adds to `rounding`. Zero points are left out of kSymmetric
// ones, of which each must be 2^(bits − 1).
StatusOr<PackedLinear> PackLinear(const QuantizedLinear& linear, std::string_view what, HalfRounding* rounding,
                                  ZeroPoints zero_points = ZeroPoints::kAny);

// Tensors of the shapes and dtypes that StoredTensors gives for `storage`, whose group size is a number. The scale may
// be F16, BF16 or F32. INVALID_ARGUMENT naming `what` when the stored shape is another, or the parts do not fit
// together; DATA_LOSS when a scale is not finite.
StatusOr<QuantizedLinear> UnpackLinear(const PackedLinear& packed, const LinearStorage& storage, int64_t out_features,
                                       int64_t in_features, std::string_view what);

}  // namespace lwq::qat
