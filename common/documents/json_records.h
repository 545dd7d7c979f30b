// SPDX-License-Identifier: Apache-2.0
// Records out of JSON: a record a line, an array of records, or one record; and the texts of such records. A record
// that is a text is an object with a string `text` or a string (documents.h). Pure functions; errors are
// INVALID_ARGUMENT and name file, line or record.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/json/json.h"
#include "common/status/keep_going.h"
#include "common/status/status.h"

namespace lwq {

// Is given each record and what to call it in an error: "FILE line 3", "FILE record 3", or the file alone where that is
// one record. An error ends the reading.
using TakeRecord = absl::FunctionRef<Status(const Json& record, std::string_view what)>;

// One record a line; blank lines are skipped.
Status ForEachJsonLine(std::string_view name, std::string_view text, KeepGoing keep_going, TakeRecord take);
// A whole file: an array of records or one record.
Status ForEachJsonRecord(std::string_view name, std::string_view text, TakeRecord take);

// One record a line. An empty list where there is none.
StatusOr<std::vector<std::string>> ReadJsonLines(std::string_view name, std::string_view text, KeepGoing keep_going);
// A whole file: an array of records or one record.
StatusOr<std::vector<std::string>> ReadJsonFile(std::string_view name, std::string_view text);

// Whether the first line that is not blank is a JSON object; of a longer line its first 64 MiB are looked at.
bool BeginsWithJsonObjectLine(std::string_view text);
// Whether the text is a JSON array of at least one element, all of them objects or strings.
bool IsJsonArrayOfRecords(std::string_view text);

}  // namespace lwq
