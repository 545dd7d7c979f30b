// SPDX-License-Identifier: Apache-2.0
// Tensors as files and messages see them: dtype, shape, bytes in row-major little-endian order. No arithmetic.
//
// HostTensor shares its bytes (a mapped file, a chunk, a buffer). Thread-safety: immutable value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes/bytes.h"
#include "common/status/status.h"

namespace lwq {

enum class DType { kF32, kF16, kBF16, kU8, kI8, kI32, kI64, kF64 };

int DTypeBytes(DType dtype);
// safetensors' names: "F32", "F16", "BF16", "U8", "I8", "I32", "I64", "F64".
std::string_view DTypeName(DType dtype);
// INVALID_ARGUMENT naming the dtype when it is none of the above.
StatusOr<DType> ParseDType(std::string_view name);

bool IsFloat(DType dtype);  // F32, F16 or BF16: what a weight may be stored in

// Product of the dimensions; INVALID_ARGUMENT for a negative dimension or when elements × 8 overflows int64.
StatusOr<int64_t> ElementCount(const std::vector<int64_t>& shape);

// "[3, 40]": for messages.
std::string ShapeText(const std::vector<int64_t>& shape);

struct HostTensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  Bytes bytes;  // size = product(shape) × DTypeBytes(dtype); alignment is not guaranteed

  int64_t elements() const;
};

}  // namespace lwq
