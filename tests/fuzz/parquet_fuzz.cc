// SPDX-License-Identifier: Apache-2.0
// A Parquet file of any bytes is refused in one line, or gives columns whose rows are in order.
#include "common/parquet/parquet_column.h"
#include "tests/fuzz/one_line.h"

namespace lwq {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const char* path : {"text", "label", "choices.text", "endings", "question"}) {
    const StatusOr<ParquetColumn> column = ReadParquetColumn("t.parquet", InputText(data, size), path);
    CheckOneLine(column.status());
    if (!column.ok() || !column->is_list) continue;
    const auto values = static_cast<int64_t>(column->is_text ? column->texts.size() : column->numbers.size());
    int64_t last = 0;
    for (const int64_t begin : column->row_begins) {
      LWQ_CHECK(begin >= last && begin <= values, "a row that begins outside the values");
      last = begin;
    }
  }
  return 0;
}

}  // namespace lwq
