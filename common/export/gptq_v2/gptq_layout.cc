// SPDX-License-Identifier: Apache-2.0
#include "common/export/gptq_v2/gptq_layout.h"

#include <cstring>
#include <utility>

#include "common/export/bit_pack.h"
#include "common/export/quantized_linear.h"

namespace lwq::qat {
namespace {

HostTensor GroupIndex(int64_t in_features, int64_t group_size) {
  std::string out(static_cast<size_t>(in_features) * 4, '\0');
  for (int64_t i = 0; i < in_features; ++i) {
    const int32_t group = static_cast<int32_t>(i / group_size);
    std::memcpy(out.data() + i * 4, &group, 4);
  }
  return HostTensor{DType::kI32, {in_features}, Bytes::FromString(std::move(out))};
}

Status CheckGroupIndex(const HostTensor& g_idx, int64_t group_size, std::string_view what) {
  for (int64_t i = 0; i < g_idx.shape[0]; ++i) {
    int32_t group;
    std::memcpy(&group, g_idx.bytes.data() + i * 4, 4);
    if (group == i / group_size) continue;
    return absl::FailedPreconditionError(absl::StrCat(what, ".g_idx[", i, "] is ", group, ", expected ", i / group_size,
                                                      ": groups in activation order (desc_act) are not supported"));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<GptqTensors> PackGptq(const QuantizedLinear& linear, std::string_view what, HalfRounding* rounding) {
  LWQ_RETURN_IF_ERROR(CheckQuantizedLinear(linear, what));
  if (!GptqHoldsBits(linear.bits)) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": gptq_v2 has no layout for ", linear.bits, " bits, only for 2, 3, 4 and 8"));
  }
  auto qweight = PackRowsTransposed(linear.codes, linear.bits);
  if (!qweight.ok()) return Annotate(qweight.status(), what);
  LWQ_ASSIGN_OR_RETURN(HostTensor qzeros, PackRows(Transpose(linear.zeros), linear.bits));
  LWQ_ASSIGN_OR_RETURN(HostTensor scales, RoundToF16(linear.scales, absl::StrCat(what, ".scales"), rounding));
  return GptqTensors{.qweight = *std::move(qweight),
                     .qzeros = std::move(qzeros),
                     .scales = Transpose(scales),
                     .g_idx = GroupIndex(linear.in_features, linear.group_size)};
}

StatusOr<QuantizedLinear> UnpackGptq(const GptqTensors& tensors, int64_t out_features, int64_t in_features, int bits,
                                     int64_t group_size, std::string_view what) {
  LWQ_RETURN_IF_ERROR(CheckGrouping(out_features, in_features, bits, group_size, what));
  const GptqShapes shapes = GptqShapesOf({out_features, in_features, bits, group_size});
  LWQ_RETURN_IF_ERROR(CheckTensor(tensors.qweight, {DType::kI32}, shapes.qweight, what, "qweight"));
  LWQ_RETURN_IF_ERROR(CheckTensor(tensors.qzeros, {DType::kI32}, shapes.qzeros, what, "qzeros"));
  LWQ_RETURN_IF_ERROR(
      CheckTensor(tensors.scales, {DType::kF16, DType::kBF16, DType::kF32}, shapes.scales, what, "scales"));
  LWQ_RETURN_IF_ERROR(CheckTensor(tensors.g_idx, {DType::kI32}, shapes.g_idx, what, "g_idx"));
  LWQ_RETURN_IF_ERROR(CheckGroupIndex(tensors.g_idx, group_size, what));

  QuantizedLinear linear{.bits = bits,
                         .group_size = group_size,
                         .out_features = out_features,
                         .in_features = in_features,
                         .codes = {},
                         .scales = {},
                         .zeros = {}};
  LWQ_ASSIGN_OR_RETURN(linear.codes, UnpackRowsTransposed(tensors.qweight, bits, in_features));
  LWQ_ASSIGN_OR_RETURN(const HostTensor zeros, UnpackRows(tensors.qzeros, bits, out_features));
  linear.zeros = Transpose(zeros);
  LWQ_ASSIGN_OR_RETURN(linear.scales, ToF32(Transpose(tensors.scales), absl::StrCat(what, ".scales")));
  LWQ_RETURN_IF_ERROR(CheckFiniteScales(linear.scales, what));
  return linear;
}

}  // namespace lwq::qat
