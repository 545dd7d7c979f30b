// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/export_format.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/export_format/rows.h"
#include "common/recipe/recipe_rules.h"

namespace lwq {
namespace {

// In the order of the enumeration.
std::vector<ExportFormatTraits> MakeTable() {
#define LWQ_EXPORT_FORMAT_ROW(enumerator, word) RowOf<ExportFormat::enumerator>(),
  return {LWQ_EXPORT_FORMATS(LWQ_EXPORT_FORMAT_ROW)};
#undef LWQ_EXPORT_FORMAT_ROW
}

}  // namespace

std::string Alternatives(std::vector<std::string> words) {
  if (words.empty()) return "";
  const std::string last = std::move(words.back());
  words.pop_back();
  return words.empty() ? last : absl::StrCat(absl::StrJoin(words, ", "), " or ", last);
}

int64_t ExportTensor::bytes() const {
  int64_t bytes_of_all = DTypeBytes(dtype);
  for (const int64_t size : shape) bytes_of_all *= size;
  return bytes_of_all;
}

const ExportFormatTraits& TraitsOf(ExportFormat format) {
  static const auto* const kTable = new std::vector<ExportFormatTraits>(MakeTable());
  return (*kTable)[static_cast<size_t>(format)];
}

bool FormatHolds(ExportFormat format, int bits, ZeroPoints zero_points) {
  const auto has = [bits](const std::vector<int>& widths) {
    return std::find(widths.begin(), widths.end(), bits) != widths.end();
  };
  const ExportFormatTraits& traits = TraitsOf(format);
  return has(traits.widths) || (zero_points == ZeroPoints::kSymmetric && has(traits.symmetric_widths));
}

std::string WidthsText(ExportFormat format, ZeroPoints zero_points) {
  std::vector<std::string> widths;
  for (const int bits : recipe::kWeightBits) {
    if (FormatHolds(format, bits, zero_points)) widths.push_back(absl::StrCat(bits));
  }
  return Alternatives(std::move(widths));
}

std::string FormatsThatHold(int bits, bool files, ZeroPoints zero_points) {
  std::vector<std::string> holding;
  for (const ExportFormat format : AllChoices<ExportFormat>()) {
    if (files && format == ExportFormat::kNone) continue;
    if (FormatHolds(format, bits, zero_points)) holding.emplace_back(WordOf(format));
  }
  return Alternatives(std::move(holding));
}

}  // namespace lwq
