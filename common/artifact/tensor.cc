// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/tensor.h"

#include <limits>

#include "absl/strings/str_join.h"

namespace lwq {
namespace {

constexpr int64_t kLargestDTypeBytes = 8;
constexpr DType kAllDTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kU8,
                                DType::kI8,  DType::kI32, DType::kI64,  DType::kF64};

}  // namespace

int DTypeBytes(DType dtype) {
  switch (dtype) {
    case DType::kU8:
    case DType::kI8:
      return 1;
    case DType::kF16:
    case DType::kBF16:
      return 2;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kI64:
    case DType::kF64:
      return 8;
  }
  LWQ_CHECK(false, "dtype ", static_cast<int>(dtype));
}

std::string_view DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kU8:
      return "U8";
    case DType::kI8:
      return "I8";
    case DType::kI32:
      return "I32";
    case DType::kI64:
      return "I64";
    case DType::kF64:
      return "F64";
  }
  LWQ_CHECK(false, "dtype ", static_cast<int>(dtype));
}

StatusOr<DType> ParseDType(std::string_view name) {
  for (const DType dtype : kAllDTypes) {
    if (DTypeName(dtype) == name) return dtype;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("dtype '", name.substr(0, 40), "' is not supported; use F32, F16, BF16, F64, U8, I8, I32 or I64"));
}

StatusOr<int64_t> ElementCount(const std::vector<int64_t>& shape) {
  constexpr int64_t kMaxElements = std::numeric_limits<int64_t>::max() / kLargestDTypeBytes;
  int64_t elements = 1;
  bool is_empty = false;
  for (const int64_t size : shape) {
    if (size < 0) return absl::InvalidArgumentError(absl::StrCat("a dimension is negative: ", size));
    if (size == 0) {
      is_empty = true;
    } else if (elements > kMaxElements / size) {
      return absl::InvalidArgumentError("the product of the dimensions overflows");
    } else {
      elements *= size;
    }
  }
  return is_empty ? 0 : elements;
}

bool IsFloat(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

int64_t HostTensor::elements() const {
  return static_cast<int64_t>(bytes.size()) / DTypeBytes(dtype);
}

}  // namespace lwq
