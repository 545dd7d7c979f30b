// Calibration and evaluation texts as files: which documents a file holds.
//
// The name decides the format: `.jsonl`, `.json`, `.jsonl.gz`, `.json.gz`: one JSON object a line with a string `text`
// (blank lines are skipped, other fields ignored); everything else, `.gz` unpacked first: one document, the whole file
// as it is (no translation of line ends, a byte order mark kept, as Python's utf-8 codec does).
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

StatusOr<std::vector<std::string>> ReadDocuments(std::string_view name, std::string_view contents,
                                                 int64_t max_unpacked_bytes = kMaxUnpackedTextBytes,
                                                 KeepGoing keep_going = AlwaysKeepGoing);

}  // namespace lwq
