// SPDX-License-Identifier: Apache-2.0
#include "common/export/gptq/gptq_linear.h"

#include <cstring>
#include <string>
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

// "linear: the zero point of output 3, group 1": of a matrix [out, groups].
std::string PlaceOfZero(std::string_view what, size_t at, int64_t groups) {
  const auto of_row = static_cast<size_t>(groups);
  return absl::StrCat(what, ": the zero point of output ", at / of_row, ", group ", at % of_row);
}

// U8 [out, groups] of zero points to what version 1 stores.
StatusOr<HostTensor> LessOne(const HostTensor& zeros, std::string_view what) {
  std::string stored(zeros.bytes.view());
  for (size_t i = 0; i < stored.size(); ++i) {
    if (stored[i] == 0) {
      return absl::InvalidArgumentError(absl::StrCat(PlaceOfZero(what, i, zeros.shape[1]),
                                                     " is 0, which gptq (version 1) has no number for that all readers "
                                                     "understand: export gptq_v2"));
    }
    stored[i] = static_cast<char>(static_cast<uint8_t>(stored[i]) - 1);
  }
  return HostTensor{DType::kU8, zeros.shape, Bytes::FromString(std::move(stored))};
}

// The way back.
StatusOr<HostTensor> PlusOne(const HostTensor& stored, int bits, std::string_view what) {
  const int largest = (1 << bits) - 1;
  std::string zeros(stored.bytes.view());
  for (size_t i = 0; i < zeros.size(); ++i) {
    const int less_one = static_cast<uint8_t>(zeros[i]);
    if (less_one == largest) {
      return absl::FailedPreconditionError(absl::StrCat(
          PlaceOfZero(what, i, stored.shape[1]), " is stored as ", largest,
          ", which programs of GPTQ's version 1 take for 0 or for ", largest + 1, ": use a checkpoint in gptq_v2"));
    }
    zeros[i] = static_cast<char>(less_one + 1);
  }
  return HostTensor{DType::kU8, stored.shape, Bytes::FromString(std::move(zeros))};
}

}  // namespace

StatusOr<GptqTensors> PackGptq(const QuantizedLinear& linear, std::string_view what, HalfRounding* rounding,
                               StoredZeros zeros) {
  LWQ_RETURN_IF_ERROR(CheckQuantizedLinear(linear, what));
  if (!GptqHoldsBits(linear.bits)) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": GPTQ has no layout for ", linear.bits, " bits, only for 2, 3, 4 and 8"));
  }
  HostTensor stored = linear.zeros;
  if (zeros == StoredZeros::kLessOne) {
    LWQ_ASSIGN_OR_RETURN(stored, LessOne(linear.zeros, what));
  }
  auto qweight = PackRowsTransposed(linear.codes, linear.bits);
  if (!qweight.ok()) return Annotate(qweight.status(), what);
  LWQ_ASSIGN_OR_RETURN(HostTensor qzeros, PackRows(Transpose(stored), linear.bits));
  LWQ_ASSIGN_OR_RETURN(HostTensor scales, RoundToF16(linear.scales, absl::StrCat(what, ".scales"), rounding));
  return GptqTensors{.qweight = *std::move(qweight),
                     .qzeros = std::move(qzeros),
                     .scales = Transpose(scales),
                     .g_idx = GroupIndex(linear.in_features, linear.group_size)};
}

StatusOr<QuantizedLinear> UnpackGptq(const GptqTensors& tensors, int64_t out_features, int64_t in_features, int bits,
                                     int64_t group_size, std::string_view what, StoredZeros zeros) {
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
  LWQ_ASSIGN_OR_RETURN(const HostTensor stored, UnpackRows(tensors.qzeros, bits, out_features));
  linear.zeros = Transpose(stored);
  if (zeros == StoredZeros::kLessOne) {
    LWQ_ASSIGN_OR_RETURN(linear.zeros, PlusOne(linear.zeros, bits, what));
  }
  LWQ_ASSIGN_OR_RETURN(linear.scales, ToF32(Transpose(tensors.scales), absl::StrCat(what, ".scales")));
  LWQ_RETURN_IF_ERROR(CheckFiniteScales(linear.scales, what));
  return linear;
}

}  // namespace lwq::qat
