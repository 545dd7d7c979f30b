// SPDX-License-Identifier: Apache-2.0
// One column of a Parquet file. https://parquet.apache.org/docs/file-format/
//
// Read are columns of texts, whole numbers and truth values, and lists of these, at the top of the schema or in groups,
// required or optional without a null; pages of version 1 and 2; values PLAIN or from a dictionary; packed by snappy,
// gzip or not at all: what the Hub's own tools write. Everything else is refused by name, never read as something.
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status/status.h"

namespace lwq {

struct ParquetColumn {
  bool is_list = false;
  bool is_text = false;
  // The values one after the other: texts, or else numbers; true is 1.
  std::vector<std::string> texts;
  std::vector<int64_t> numbers;
  // Of lists: where each row's values begin; a row ends where the next one begins.
  std::vector<int64_t> row_begins;

  int64_t rows() const;
};

// `path`: "label", in groups "choices.text"; what lists put between their name and their items is left out.
// INVALID_ARGUMENT: no Parquet file, no such column, or one that is not read here; DATA_LOSS: a damaged file. Messages
// begin with `what`.
StatusOr<ParquetColumn> ReadParquetColumn(std::string_view what, std::string_view file, std::string_view path);

// The texts of a column of single texts; a column of anything else is refused.
StatusOr<std::vector<std::string>> ReadParquetTexts(std::string_view what, std::string_view file,
                                                    std::string_view column);

}  // namespace lwq
