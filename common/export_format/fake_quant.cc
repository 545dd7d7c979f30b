// SPDX-License-Identifier: Apache-2.0
// A plain model whose linears hold the decoded weights in fp16.
#include <iterator>

#include "common/export_format/rows.h"
#include "common/recipe/recipe_rules.h"

namespace lwq {
namespace {

std::vector<ExportTensor> PlainTensors(const QuantizedShape& linear) {
  return {{".weight", DType::kF16, {linear.out_features, linear.in_features}}};
}

std::vector<std::string> PlainRemarks(const ServedModel&) {
  return {"fake_quant is fp16 in size: any stack that loads the original loads it, and it saves no memory"};
}

}  // namespace

template <>
ExportFormatTraits RowOf<ExportFormat::kFakeQuant>() {
  return {ExportFormat::kFakeQuant,
          {std::begin(recipe::kWeightBits), std::end(recipe::kWeightBits)},
          PlainTensors,
          PlainRemarks};
}

}  // namespace lwq
