// SPDX-License-Identifier: Apache-2.0
// The texts of one column of a Parquet file. https://parquet.apache.org/docs/file-format/
//
// Read are top-level columns of strings, required or optional without a null; pages of version 1 and 2; values PLAIN or
// from a dictionary; packed by snappy, gzip or not at all: what the Hub's own tools write of texts. Everything else is
// refused by name, never read as something. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/status/status.h"

namespace lwq {

// INVALID_ARGUMENT: no Parquet file, no such column, or one that is not read here; DATA_LOSS: a damaged file. Messages
// begin with `what`.
StatusOr<std::vector<std::string>> ReadParquetTexts(std::string_view what, std::string_view file,
                                                    std::string_view column);

}  // namespace lwq
