// SPDX-License-Identifier: Apache-2.0
// A table as a Parquet file. https://parquet.apache.org/docs/file-format/
//
// The plainest file there is: one row group, one data page (version 1) for each column, values PLAIN, definition levels
// RLE, no compression, no dictionary, no statistics. Every column is optional; texts are UTF-8 strings, integers INT64,
// reals DOUBLE. A table without rows has no row group. Equal tables, equal bytes. Pure.
#pragma once

#include <string>

#include "common/status/status.h"
#include "reporting/files/data_table.h"

namespace lwq::reporting {

// RESOURCE_EXHAUSTED for a column of 2 GiB and more, which one page cannot hold.
StatusOr<std::string> ToParquet(const DataTable& table);

}  // namespace lwq::reporting
