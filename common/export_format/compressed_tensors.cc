// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/compressed_tensors.h"

#include <iterator>

#include "common/export_format/rows.h"
#include "common/recipe/recipe_rules.h"

namespace lwq {
namespace {

std::vector<ExportTensor> PackedTensors(const QuantizedShape& linear) {
  const int64_t groups = (linear.in_features + linear.group_size - 1) / linear.group_size;
  std::vector<ExportTensor> tensors = {
      {kPackedWeight, DType::kI32, {linear.out_features, StreamWords(linear.in_features, linear.bits)}},
      {kPackedScale, DType::kF16, {linear.out_features, groups}},
      {kPackedShape, DType::kI64, {2}, false}};
  if (linear.zero_points != ZeroPoints::kSymmetric) {
    tensors.push_back({kPackedZeroPoint, DType::kI32, {StreamWords(linear.out_features, linear.bits), groups}});
  }
  return tensors;
}

std::vector<std::string> PackedRemarks(const ServedModel& model) {
  if (model.zero_points == ZeroPoints::kSymmetric) {
    return {"zero points are not stored: \"symmetric\" says that they are 2^(bits-1)"};
  }
  return {"read by compressed-tensors from June 2026 on: earlier releases pad words of 3, 5 and 6 bits"};
}

}  // namespace

template <>
ExportFormatTraits RowOf<ExportFormat::kCompressedTensors>() {
  return {ExportFormat::kCompressedTensors,
          {std::begin(recipe::kWeightBits), std::end(recipe::kWeightBits)},
          PackedTensors,
          PackedRemarks};
}

}  // namespace lwq
