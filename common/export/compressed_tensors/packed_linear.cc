// SPDX-License-Identifier: Apache-2.0
#include "common/export/compressed_tensors/packed_linear.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "common/export/bit_pack.h"
#include "common/export/quantized_linear.h"
#include "common/export_format/compressed_tensors.h"

namespace lwq::qat {
namespace {

HostTensor ShapeTensor(int64_t out_features, int64_t in_features) {
  const std::array<int64_t, 2> shape = {out_features, in_features};
  std::string bytes(sizeof(shape), '\0');
  std::memcpy(bytes.data(), shape.data(), sizeof(shape));
  return HostTensor{DType::kI64, {2}, Bytes::FromString(std::move(bytes))};
}

// What symmetric quantization means: the middle code is zero.
HostTensor MiddleZeros(int bits, int64_t rows, int64_t groups) {
  return HostTensor{
      DType::kU8,
      {rows, groups},
      Bytes::FromString(std::string(static_cast<size_t>(rows * groups), static_cast<char>(SymmetricZeroPoint(bits))))};
}

}  // namespace

StatusOr<PackedLinear> PackLinear(const QuantizedLinear& linear, std::string_view what, HalfRounding* rounding,
                                  ZeroPoints zero_points) {
  LWQ_RETURN_IF_ERROR(CheckQuantizedLinear(linear, what));
  PackedLinear packed;
  auto weight = PackRows(linear.codes, linear.bits);
  if (!weight.ok()) return Annotate(weight.status(), what);
  packed.weight = *std::move(weight);
  LWQ_ASSIGN_OR_RETURN(packed.scale, RoundToF16(linear.scales, absl::StrCat(what, kPackedScale), rounding));
  if (zero_points == ZeroPoints::kSymmetric) {
    LWQ_RETURN_IF_ERROR(CheckSymmetric(linear, what));
  } else {
    // A stream runs down a column: along the outputs of one group.
    LWQ_ASSIGN_OR_RETURN(const HostTensor zeros, PackRows(Transpose(linear.zeros), linear.bits));
    packed.zero_point = Transpose(zeros);
  }
  packed.shape = ShapeTensor(linear.out_features, linear.in_features);
  return packed;
}

StatusOr<QuantizedLinear> UnpackLinear(const PackedLinear& packed, const LinearStorage& storage, int64_t out_features,
                                       int64_t in_features, std::string_view what) {
  if (packed.shape.bytes.view() != ShapeTensor(out_features, in_features).bytes.view()) {
    return absl::InvalidArgumentError(absl::StrCat(what, kPackedShape, " is not [", out_features, ", ", in_features,
                                                   "], which the model's config.json asks for"));
  }
  QuantizedLinear linear{.bits = storage.bits,
                         .group_size = storage.group_size,
                         .out_features = out_features,
                         .in_features = in_features,
                         .codes = {},
                         .scales = {},
                         .zeros = {}};
  LWQ_ASSIGN_OR_RETURN(linear.codes, UnpackRows(packed.weight, storage.bits, in_features));
  if (packed.zero_point.has_value()) {
    LWQ_ASSIGN_OR_RETURN(const HostTensor zeros, UnpackRows(Transpose(*packed.zero_point), storage.bits, out_features));
    linear.zeros = Transpose(zeros);
  } else {
    linear.zeros = MiddleZeros(storage.bits, out_features, in_features / storage.group_size);
  }
  LWQ_ASSIGN_OR_RETURN(linear.scales, ToF32(packed.scale, absl::StrCat(what, kPackedScale)));
  LWQ_RETURN_IF_ERROR(CheckQuantizedLinear(linear, what));
  return linear;
}

}  // namespace lwq::qat
