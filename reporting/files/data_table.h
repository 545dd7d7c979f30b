// SPDX-License-Identifier: Apache-2.0
// A table of typed columns, and its forms for other programs: CSV and JSON (Parquet: parquet.h). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/json/json.h"

namespace lwq::reporting {

// Absent, or a value of its column's type.
using DataCell = std::variant<std::monostate, int64_t, double, std::string>;

enum class DataType { kInteger, kReal, kText };

struct DataColumn {
  std::string name = {};  // unique in the table
  DataType type = DataType::kText;
  std::vector<DataCell> cells = {};
};

struct DataTable {
  std::vector<DataColumn> columns = {};  // of equal length

  size_t rows() const { return columns.empty() ? 0 : columns.front().cells.size(); }
};

// RFC 4180: a header, then a record a row, each ended by CR LF; a field is quoted where it holds a comma, a quote, a
// line break or white space at its ends, or is an empty text. Absent is an empty field. Reals have the shortest digits
// that read back the same; those that are not finite are inf, -inf and nan.
std::string ToCsv(const DataTable& table);

// A list of objects; what is absent or not finite is null.
Json RowsToJson(const DataTable& table);

}  // namespace lwq::reporting
