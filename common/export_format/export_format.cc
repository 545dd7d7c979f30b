// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/export_format.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/export_format/rows.h"

namespace lwq {
namespace {

// In the order of the enumeration.
std::vector<ExportFormatTraits> MakeTable() {
#define LWQ_EXPORT_FORMAT_ROW(enumerator, word) RowOf<ExportFormat::enumerator>(),
  return {LWQ_EXPORT_FORMATS(LWQ_EXPORT_FORMAT_ROW)};
#undef LWQ_EXPORT_FORMAT_ROW
}

// "a, b or c"
std::string Alternatives(std::vector<std::string> words) {
  if (words.empty()) return "";
  const std::string last = std::move(words.back());
  words.pop_back();
  return words.empty() ? last : absl::StrCat(absl::StrJoin(words, ", "), " or ", last);
}

}  // namespace

int64_t ExportTensor::bytes() const {
  int64_t bytes_of_all = DTypeBytes(dtype);
  for (const int64_t size : shape) bytes_of_all *= size;
  return bytes_of_all;
}

const ExportFormatTraits& TraitsOf(ExportFormat format) {
  static const auto* const kTable = new std::vector<ExportFormatTraits>(MakeTable());
  return (*kTable)[static_cast<size_t>(format)];
}

bool FormatHolds(ExportFormat format, int bits) {
  const std::vector<int>& widths = TraitsOf(format).widths;
  return std::find(widths.begin(), widths.end(), bits) != widths.end();
}

std::string WidthsText(ExportFormat format) {
  std::vector<std::string> widths;
  for (const int bits : TraitsOf(format).widths) widths.push_back(absl::StrCat(bits));
  return Alternatives(std::move(widths));
}

std::string FormatsThatHold(int bits, bool files) {
  std::vector<std::string> holding;
  for (const ExportFormat format : AllChoices<ExportFormat>()) {
    if (FormatHolds(format, bits) && !(files && format == ExportFormat::kNone)) holding.emplace_back(WordOf(format));
  }
  return Alternatives(std::move(holding));
}

}  // namespace lwq
