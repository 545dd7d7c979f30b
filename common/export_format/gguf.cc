// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/gguf.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/export_format/rows.h"

namespace lwq {
namespace {

template <GgufFourBits kFourBits>
std::vector<ExportTensor> BlockTensors(const QuantizedShape& linear) {
  const GgmlTypeTraits& type = TraitsOf(GgufTypeOf(linear, kFourBits));
  // Of a width that no block spans there is no file, but there may be a question of its size.
  const int64_t blocks = (linear.in_features + type.block_weights - 1) / type.block_weights;
  return {{".weight", DType::kU8, {linear.out_features, blocks * type.block_bytes}, true, type.name}};
}

double BitsPerWeight(const GgmlTypeTraits& type) {
  return 8.0 * static_cast<double>(type.block_bytes) / static_cast<double>(type.block_weights);
}

// "2-bit linears in Q2_0 (2.25 bits a weight)", for each type that the model gets.
std::vector<std::string> Carriers(const ServedModel& model, GgufFourBits four_bits) {
  std::map<GgmlType, std::set<int>> widths;
  for (const int bits : model.widths) {
    for (const int64_t group_size : model.group_sizes) {
      // Of groups that are whole rows those of the linears that fit worst.
      const int64_t group = group_size == -1 ? model.common_width : group_size;
      widths[GgufTypeOf({0, 0, bits, group, model.zero_points}, four_bits)].insert(bits);
    }
  }
  std::vector<std::string> carriers;
  for (const auto& [type, bits] : widths) {
    carriers.push_back(absl::StrCat(absl::StrJoin(bits, "/"), " bits in ", TraitsOf(type).name, " (",
                                    BitsPerWeight(TraitsOf(type)), " bits a weight)"));
  }
  return carriers;
}

// What is known of these versions; docs/formats.md has the table, which says what was run.
template <GgufFourBits kFourBits>
std::vector<std::string> GgufRemarks(const ServedModel& model) {
  const std::vector<std::string> carriers = Carriers(model, kFourBits);
  const bool rounds =
      kFourBits == GgufFourBits::kSmall && model.widths.contains(4) && model.zero_points != ZeroPoints::kSymmetric;
  std::vector<std::string> remarks = {
      absl::StrCat("for llama.cpp (tried with b11549): ", absl::StrJoin(carriers, ", "), "; ",
                   rounds ? "4-bit weights are off by at most 2^-11 of the zero point times the scale, all others are"
                          : "its weights are",
                   " those that were trained, but it multiplies them with activations rounded to 8 bits")};
  if (model.widths.contains(2) && model.zero_points != ZeroPoints::kAny) {
    remarks.push_back(
        "Q2_0 is type 42 of GGUF: readers without it, as llama.cpp before it and gguf 0.19.0 of PyPI, refuse the file");
  }
  if (model.widths.contains(2) && model.zero_points == ZeroPoints::kAny) {
    remarks.push_back("with middle_zero_points 2-bit linears would go into Q2_0, 2.25 bits a weight");
  }
  return remarks;
}

}  // namespace

GgmlType GgufTypeOf(const QuantizedShape& linear, GgufFourBits four_bits) {
  if (linear.bits == 2 && linear.zero_points != ZeroPoints::kAny &&
      linear.group_size % TraitsOf(GgmlType::kQ2_0).block_weights == 0) {
    return GgmlType::kQ2_0;
  }
  if (linear.bits <= 3) return GgmlType::kQ4_0;
  if (linear.bits == 4 && linear.zero_points == ZeroPoints::kSymmetric) return GgmlType::kQ4_0;
  if (linear.bits > 4) return GgmlType::kQ8_0;
  return four_bits == GgufFourBits::kExact ? GgmlType::kQ5_0 : GgmlType::kQ4_1;
}

template <>
ExportFormatTraits RowOf<ExportFormat::kGguf>() {
  return {
      ExportFormat::kGguf,     {2, 3, 4, 5, 6}, BlockTensors<GgufFourBits::kExact>, GgufRemarks<GgufFourBits::kExact>,
      kGgufGroupMultiple,
      /*for_llama_cpp=*/true,
      /*symmetric_widths=*/{8}};
}

template <>
ExportFormatTraits RowOf<ExportFormat::kGgufQ41>() {
  return {
      ExportFormat::kGgufQ41,  {2, 3, 4, 5, 6}, BlockTensors<GgufFourBits::kSmall>, GgufRemarks<GgufFourBits::kSmall>,
      kGgufGroupMultiple,
      /*for_llama_cpp=*/true,
      /*symmetric_widths=*/{8}};
}

}  // namespace lwq
