// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/compressed_tensors.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/export_format/rows.h"
#include "common/recipe/recipe_rules.h"

namespace lwq {
namespace {

std::vector<ExportTensor> PackedTensors(const QuantizedShape& linear) {
  const int64_t groups = (linear.in_features + linear.group_size - 1) / linear.group_size;
  return {{kPackedWeight, DType::kI32, {linear.out_features, StreamWords(linear.in_features, linear.bits)}},
          {kPackedScale, DType::kF16, {linear.out_features, groups}},
          {kPackedZeroPoint, DType::kI32, {StreamWords(linear.out_features, linear.bits), groups}},
          {kPackedShape, DType::kI64, {2}, false}};
}

// What was seen by running these versions; docs/formats.md has the table.
std::vector<std::string> PackedRemarks(const ServedModel& model) {
  const bool mixed = model.widths.size() > 1 || model.group_sizes.size() > 1;
  std::vector<std::string> remarks;
  if (model.widths == std::set<int>{4}) {
    remarks.push_back(
        "vLLM 0.32.0 loads 4 bits with zero points, groups may differ by block; its CPU kernel wants multiples of 32");
  } else {
    remarks.push_back(absl::StrCat("vLLM 0.32.0 on a CPU refuses ", absl::StrJoin(model.widths, "/"),
                                   " bits (WNA16 takes 4); on a GPU it was not tried"));
  }
  if (mixed) {
    remarks.push_back(
        "transformers 5.23.0 decodes all layers by one group's scheme: blocks that differ in bits or groups are "
        "refused or wrong there");
  } else {
    remarks.push_back(
        "transformers 5.23.0 with compressed-tensors 0.20.0 loads it with dequantize=True, each weight rounded to "
        "fp16");
  }
  remarks.push_back("it was not tried with AutoRound and GPTQModel: export gptq_v2 for those");
  return remarks;
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
