// SPDX-License-Identifier: Apache-2.0
// The rows of the table of export formats: one for each word of LWQ_EXPORT_FORMATS, defined in the file of its format.
// A word without its row does not link. For export_format.cc and the formats alone.
#pragma once

#include "common/export_format/export_format.h"

namespace lwq {

template <ExportFormat kFormat>
ExportFormatTraits RowOf() = delete;

#define LWQ_EXPORT_FORMAT_ROW(enumerator, word) \
  template <>                                   \
  ExportFormatTraits RowOf<ExportFormat::enumerator>();
LWQ_EXPORT_FORMATS(LWQ_EXPORT_FORMAT_ROW)
#undef LWQ_EXPORT_FORMAT_ROW

// Words of 32 bits that a dense stream of so many fields takes.
inline int64_t StreamWords(int64_t fields, int bits) {
  return (fields * bits + 31) / 32;
}

}  // namespace lwq
