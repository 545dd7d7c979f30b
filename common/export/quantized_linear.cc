// SPDX-License-Identifier: Apache-2.0
#include "common/export/quantized_linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "common/export/bit_pack.h"
#include "common/recipe/zero_points.h"

namespace lwq::qat {

Status CheckTensor(const HostTensor& tensor, std::initializer_list<DType> dtypes, const std::vector<int64_t>& shape,
                   std::string_view what, std::string_view name) {
  if (std::find(dtypes.begin(), dtypes.end(), tensor.dtype) == dtypes.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ".", name, " is ", DTypeName(tensor.dtype), ", expected ", DTypeName(*dtypes.begin())));
  }
  if (tensor.shape != shape) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ".", name, " is ", ShapeText(tensor.shape), ", expected ", ShapeText(shape)));
  }
  LWQ_ASSIGN_OR_RETURN(const int64_t elements, ElementCount(shape));
  if (tensor.bytes.size() == static_cast<size_t>(elements * DTypeBytes(tensor.dtype))) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, ".", name, " ", ShapeText(shape), " holds only ", tensor.bytes.size(), " bytes"));
}

Status CheckFiniteScales(const HostTensor& scales, std::string_view what) {
  const size_t count = scales.bytes.size() / sizeof(float);
  for (size_t i = 0; i < count; ++i) {
    float value;
    std::memcpy(&value, scales.bytes.data() + i * sizeof(float), sizeof(float));
    if (!std::isfinite(value)) {
      return absl::DataLossError(
          absl::StrCat(what, ".scales holds ", value, " at element ", i, "; the model is damaged"));
    }
  }
  return absl::OkStatus();
}

Status CheckGrouping(int64_t out_features, int64_t in_features, int bits, int64_t group_size, std::string_view what) {
  if (!IsSupportedBits(bits)) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", bits, " bits; use 2, 3, 4, 5, 6 or 8"));
  }
  if (out_features <= 0 || in_features <= 0 || group_size <= 0 || in_features % group_size != 0) {
    return absl::InvalidArgumentError(absl::StrCat(what, " [", out_features, ", ", in_features, "]: groups of ",
                                                   group_size, " do not divide its input; choose a divisor of ",
                                                   in_features));
  }
  return absl::OkStatus();
}

Status CheckSymmetric(const QuantizedLinear& linear, std::string_view what) {
  const int middle = SymmetricZeroPoint(linear.bits);
  const std::string_view zeros = linear.zeros.bytes.view();
  for (size_t group = 0; group < zeros.size(); ++group) {
    const int zero = static_cast<unsigned char>(zeros[group]);
    if (zero == middle) continue;
    return absl::InvalidArgumentError(absl::StrCat(what, ": the zero point of group ", group, " is ", zero, ", not ",
                                                   middle, ", as a symmetric export of ", linear.bits,
                                                   " bits says of all: train with sym, or export it without"));
  }
  return absl::OkStatus();
}

HostTensor Transpose(const HostTensor& matrix) {
  const int64_t rows = matrix.shape[0];
  const int64_t columns = matrix.shape[1];
  const size_t size = static_cast<size_t>(DTypeBytes(matrix.dtype));
  std::string out(matrix.bytes.size(), '\0');
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      std::memcpy(out.data() + static_cast<size_t>(c * rows + r) * size,
                  matrix.bytes.data() + static_cast<size_t>(r * columns + c) * size, size);
    }
  }
  return HostTensor{matrix.dtype, {columns, rows}, Bytes::FromString(std::move(out))};
}

Status CheckQuantizedLinear(const QuantizedLinear& linear, std::string_view what) {
  LWQ_RETURN_IF_ERROR(CheckGrouping(linear.out_features, linear.in_features, linear.bits, linear.group_size, what));
  const std::vector<int64_t> groups = {linear.out_features, linear.in_features / linear.group_size};
  LWQ_RETURN_IF_ERROR(
      CheckTensor(linear.codes, {DType::kU8}, {linear.out_features, linear.in_features}, what, "codes"));
  LWQ_RETURN_IF_ERROR(CheckTensor(linear.scales, {DType::kF32}, groups, what, "scales"));
  LWQ_RETURN_IF_ERROR(CheckTensor(linear.zeros, {DType::kU8}, groups, what, "zeros"));
  LWQ_RETURN_IF_ERROR(CheckFiniteScales(linear.scales, what));
  const std::string_view zeros = linear.zeros.bytes.view();
  for (size_t i = 0; i < zeros.size(); ++i) {
    if (static_cast<uint8_t>(zeros[i]) >> linear.bits == 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(what, ": zero point ",
                                                   static_cast<int>(static_cast<uint8_t>(zeros[i])), " at group ", i,
                                                   " does not fit ", linear.bits, " bits"));
  }
  return absl::OkStatus();
}

}  // namespace lwq::qat
