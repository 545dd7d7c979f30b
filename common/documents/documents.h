// SPDX-License-Identifier: Apache-2.0
// Calibration and evaluation texts as files: which documents a file holds.
//
// Suffix (in either case) and content decide together. `.gz` is unpacked first. Then
//   .jsonl, .ndjson   JSON lines: one record a line, blank lines skipped
//   .json             JSON lines, or one array of records, or one record over several lines
//   anything else     one document, the whole file as it is (no translation of line ends, a byte order mark kept, as
//                     Python's utf-8 codec does); but a file whose first line is a JSON object, or that is an array of
//                     records as a whole, is read as JSON: JSON is never taken for prose.
// A record is an object with a string `text` (other fields are ignored) or a string. NaN, Infinity and -Infinity, which
// Python's json.dumps writes and JSON does not have, are read as null: they matter only as a `text`.
//
// Files must be UTF-8. Others are refused with the offset of the first wrong byte, as Python's open() does, and not
// repaired: a calibration text with replaced characters would quantize quietly to something else.
//
// Pure functions. INVALID_ARGUMENT: not UTF-8, not JSON, no `text`, no document, a packed format that is not gzip
// (messages name file and line); DATA_LOSS and RESOURCE_EXHAUSTED: see gzip.h; what `keep_going` answers, asked at
// every line and every 64 KiB unpacked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status/keep_going.h"
#include "common/status/status.h"

namespace lwq {

// A file may unpack to at most so much.
inline constexpr int64_t kMaxUnpackedTextBytes = int64_t{8} << 30;

// What a name says of a file, without regard to case.
struct TextSuffix {
  enum class Kind { kOther, kJson, kJsonLines };
  Kind kind = Kind::kOther;
  bool gzip = false;
};
TextSuffix TextSuffixOf(std::string_view name);

StatusOr<std::vector<std::string>> ReadDocuments(std::string_view name, std::string_view contents,
                                                 int64_t max_unpacked_bytes = kMaxUnpackedTextBytes,
                                                 KeepGoing keep_going = AlwaysKeepGoing);

}  // namespace lwq
