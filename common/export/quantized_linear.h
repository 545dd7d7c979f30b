// SPDX-License-Identifier: Apache-2.0
// What every layout of quantized linears asks of one: its parts, and whether they fit together.
//
// Thread-safety: pure functions. `what` names the linear in errors.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "common/artifact/tensor.h"
#include "common/export/block.h"
#include "common/status/status.h"

namespace lwq::qat {

// INVALID_ARGUMENT naming `what` unless dtypes, shapes and ranges are those block.h promises; DATA_LOSS for a scale
// that is not finite.
Status CheckQuantizedLinear(const QuantizedLinear& linear, std::string_view what);

// INVALID_ARGUMENT naming `what`, the group and its zero point unless every one is 2^(bits − 1). Requires
// CheckQuantizedLinear.
Status CheckSymmetric(const QuantizedLinear& linear, std::string_view what);

// Its parts. INVALID_ARGUMENT: a width that is none, or groups that do not divide the input.
Status CheckGrouping(int64_t out_features, int64_t in_features, int bits, int64_t group_size, std::string_view what);
// INVALID_ARGUMENT naming `what`.`name` unless it has one of the dtypes, the shape, and the bytes for it.
Status CheckTensor(const HostTensor& tensor, std::initializer_list<DType> dtypes, const std::vector<int64_t>& shape,
                   std::string_view what, std::string_view name);
// DATA_LOSS where an F32 scale is not finite.
Status CheckFiniteScales(const HostTensor& scales, std::string_view what);

// [rows, columns] → [columns, rows], any dtype.
HostTensor Transpose(const HostTensor& matrix);

}  // namespace lwq::qat
