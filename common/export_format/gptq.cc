// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/gptq.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/export_format/rows.h"

namespace lwq {
namespace {

std::vector<ExportTensor> GptqTensorsOf(const QuantizedShape& linear) {
  GptqShapes shapes = GptqShapesOf(linear);
  return {{".qweight", DType::kI32, std::move(shapes.qweight)},
          {".qzeros", DType::kI32, std::move(shapes.qzeros)},
          {".scales", DType::kF16, std::move(shapes.scales)},
          {".g_idx", DType::kI32, std::move(shapes.g_idx), false}};
}

std::vector<std::string> GptqRemarks(const ServedModel& model) {
  std::vector<std::string> remarks;
  if (model.widths.size() > 1 || model.group_sizes.size() > 1) {
    remarks.push_back(
        "blocks differ in bits or groups: the loader must honour quantization_config's per-module \"dynamic\" "
        "overrides, as GPTQModel does");
  }
  if (model.widths.contains(3)) {
    remarks.push_back("Triton kernels hold 2, 4 and 8 bits, not 3: expect the slower Torch kernel");
  }
  for (const int64_t group_size : model.group_sizes) {
    if (group_size == -1 || group_size == 32 || group_size == 64 || group_size == 128) continue;
    remarks.push_back(
        absl::StrCat("group_size ", group_size, " is outside -1, 32, 64, 128: several kernels refuse it"));
  }
  if (!model.multiples_of_32) {
    remarks.push_back(
        "some linears are not a multiple of 32 wide: common kernels refuse them; our reader and the Torch kernel do "
        "not");
  }
  return remarks;
}

// Of both versions.
const std::vector<int>& GptqWidths() {
  static const auto* const kWidths = new std::vector<int>{2, 3, 4, 8};
  return *kWidths;
}

}  // namespace

bool GptqHoldsBits(int bits) {
  return std::find(GptqWidths().begin(), GptqWidths().end(), bits) != GptqWidths().end();
}

StoredZeros StoredZerosOf(ExportFormat format) {
  return format == ExportFormat::kGptq ? StoredZeros::kLessOne : StoredZeros::kAsTheyAre;
}

bool IsGptq(ExportFormat format) {
  return format == ExportFormat::kGptqV2 || format == ExportFormat::kGptq;
}

GptqShapes GptqShapesOf(const QuantizedShape& linear) {
  const int64_t groups = (linear.in_features + linear.group_size - 1) / linear.group_size;
  return GptqShapes{.qweight = {StreamWords(linear.in_features, linear.bits), linear.out_features},
                    .qzeros = {groups, StreamWords(linear.out_features, linear.bits)},
                    .scales = {groups, linear.out_features},
                    .g_idx = {linear.in_features}};
}

template <>
ExportFormatTraits RowOf<ExportFormat::kGptqV2>() {
  return {ExportFormat::kGptqV2, GptqWidths(), GptqTensorsOf, GptqRemarks};
}

template <>
ExportFormatTraits RowOf<ExportFormat::kGptq>() {
  return {.format = ExportFormat::kGptq,
          .widths = {},
          .tensors = GptqTensorsOf,
          .remarks = GptqRemarks,
          .symmetric_widths = GptqWidths()};
}

}  // namespace lwq
