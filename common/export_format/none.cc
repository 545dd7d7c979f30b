// SPDX-License-Identifier: Apache-2.0
// No files. Counted is the dense packing that gptq_v2 has, for every width, so that recipes can be compared without
// exporting.
#include <iterator>

#include "common/export_format/gptq.h"
#include "common/export_format/rows.h"
#include "common/recipe/recipe_rules.h"

namespace lwq {
namespace {

std::vector<ExportTensor> DenseTensors(const QuantizedShape& linear) {
  GptqShapes shapes = GptqShapesOf(linear);
  return {{".codes", DType::kI32, std::move(shapes.qweight)},
          {".zeros", DType::kI32, std::move(shapes.qzeros)},
          {".scales", DType::kF16, std::move(shapes.scales)}};
}

std::vector<std::string> DenseRemarks(const ServedModel&) {
  return {"nothing is exported: stored bits count codes, fp16 scales and zero points packed densely"};
}

}  // namespace

template <>
ExportFormatTraits RowOf<ExportFormat::kNone>() {
  return {ExportFormat::kNone,
          {std::begin(recipe::kWeightBits), std::end(recipe::kWeightBits)},
          DenseTensors,
          DenseRemarks};
}

}  // namespace lwq
