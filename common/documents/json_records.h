// SPDX-License-Identifier: Apache-2.0
// Texts out of JSON: lines of records, an array of records, or one record. A record is an object with a string `text`
// or a string (documents.h). Pure functions; errors are INVALID_ARGUMENT and name file, line or record.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/status/keep_going.h"
#include "common/status/status.h"

namespace lwq {

// One record a line. An empty list where there is none.
StatusOr<std::vector<std::string>> ReadJsonLines(std::string_view name, std::string_view text, KeepGoing keep_going);
// A whole file: an array of records or one record.
StatusOr<std::vector<std::string>> ReadJsonFile(std::string_view name, std::string_view text);

// Whether the first line that is not blank is a JSON object; of a longer line its first 64 MiB are looked at.
bool BeginsWithJsonObjectLine(std::string_view text);
// Whether the text is a JSON array of at least one element, all of them objects or strings.
bool IsJsonArrayOfRecords(std::string_view text);

}  // namespace lwq
