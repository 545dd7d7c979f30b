#include "common/export_format/export_format.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_join.h"
#include "common/export_format/rows.h"
#include "common/status/status.h"

namespace lwq {
namespace {

// In the order of the enumeration, and as long.
using Table = std::array<ExportFormatTraits, AllChoices<ExportFormat>().size()>;

Table MakeTable() {
  Table table = {GptqV2Traits(), FakeQuantTraits(), NoneTraits()};
  for (const ExportFormat format : AllChoices<ExportFormat>()) {
    const ExportFormatTraits& row = table[static_cast<size_t>(format)];
    LWQ_CHECK(row.format == format && row.tensors != nullptr && row.remarks != nullptr, WordOf(format), " has no row");
  }
  return table;
}

}  // namespace

int64_t ExportTensor::bytes() const {
  int64_t bytes_of_all = DTypeBytes(dtype);
  for (const int64_t size : shape) bytes_of_all *= size;
  return bytes_of_all;
}

const ExportFormatTraits& TraitsOf(ExportFormat format) {
  static const auto* const kTable = new Table(MakeTable());
  return (*kTable)[static_cast<size_t>(format)];
}

bool FormatHolds(ExportFormat format, int bits) {
  const std::vector<int>& widths = TraitsOf(format).widths;
  return std::find(widths.begin(), widths.end(), bits) != widths.end();
}

std::string FormatsThatHold(int bits, bool files) {
  std::vector<std::string> holding;
  for (const ExportFormat format : AllChoices<ExportFormat>()) {
    if (FormatHolds(format, bits) && !(files && format == ExportFormat::kNone)) holding.emplace_back(WordOf(format));
  }
  return absl::StrJoin(holding, " or ");
}

}  // namespace lwq
