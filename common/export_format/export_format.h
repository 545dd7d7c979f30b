// SPDX-License-Identifier: Apache-2.0
// Export formats as far as everybody has to know them: which widths a format holds, which tensors it makes of a
// quantized linear, and what serving stacks say to it. The plan's sizes and the exported files come from the same rows.
//
// A format is a word of LWQ_EXPORT_FORMATS (common/recipe/choices.h), a file here, and a folder of common/export that
// writes it. Pure values; thread-safe.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/tensor.h"
#include "common/recipe/choices.h"
#include "common/recipe/zero_points.h"

namespace lwq {

struct QuantizedShape {
  int64_t out_features = 0;
  int64_t in_features = 0;
  int bits = 0;
  int64_t group_size = 0;  // a number; a whole row is in_features
  ZeroPoints zero_points = ZeroPoints::kAny;
};

// A tensor of a quantized linear.
struct ExportTensor {
  std::string_view suffix;  // behind the linear's name: ".qweight"
  DType dtype = DType::kF16;
  std::vector<int64_t> shape;
  bool stored_bits = true;         // counts as stored bits (docs/spec.md, "Stored bits")
  std::string_view encoding = {};  // what U8 holds where it is not numbers: a type of ggml_type.h, by name
  int64_t bytes() const;
};

// What serving stacks look at in a quantized model.
struct ServedModel {
  std::set<int> widths;
  std::set<int64_t> group_sizes;  // −1: a whole row
  bool multiples_of_32 = true;    // all inputs and outputs of the linears are
  int64_t common_width = 64;      // divides the inputs of all linears
  ZeroPoints zero_points = ZeroPoints::kAny;
};

struct ExportFormatTraits {
  ExportFormat format = ExportFormat::kNone;
  std::vector<int> widths;  // that it has a layout for
  // Of a linear of one of these widths.
  std::vector<ExportTensor> (*tensors)(const QuantizedShape& shape) = nullptr;
  // A line each: what is particular to the layout. Who loads it: consumers.h.
  std::vector<std::string> (*remarks)(const ServedModel& model) = nullptr;
  // Groups are multiples of this; so are rows where a group is a whole one.
  int64_t group_multiple = 1;
  // A file for llama.cpp: model and tokenizer must be of the kinds that it has (common/model/llama_cpp_model.h,
  // common/tokenizer/llama_cpp_vocabulary.h).
  bool for_llama_cpp = false;
  // Widths besides `widths` that it has a layout for where quantization is symmetric.
  std::vector<int> symmetric_widths = {};
};

const ExportFormatTraits& TraitsOf(ExportFormat format);

bool FormatHolds(ExportFormat format, int bits, ZeroPoints zero_points = ZeroPoints::kAny);
// "compressed_tensors, fake_quant or none": the formats that hold the width, for messages; with `files` only those that
// make files.
std::string FormatsThatHold(int bits, bool files = false, ZeroPoints zero_points = ZeroPoints::kAny);
// "2, 3, 4 or 8": the widths that the format holds, for messages.
std::string WidthsText(ExportFormat format, ZeroPoints zero_points = ZeroPoints::kAny);
// "a, b or c", for messages.
std::string Alternatives(std::vector<std::string> words);

}  // namespace lwq
