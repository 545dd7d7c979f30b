// SPDX-License-Identifier: Apache-2.0
// Unpacks gzip files: one member or several in a row (as `cat a.gz b.gz` makes), each checked by its CRC.
//
// Pure function. INVALID_ARGUMENT when the bytes are no gzip file, are followed by something else, or give more than
// max_bytes (a gzip file may hold a thousand times its size); DATA_LOSS when they are truncated or damaged;
// RESOURCE_EXHAUSTED when memory runs out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status/keep_going.h"
#include "common/status/status.h"

namespace lwq {

// `keep_going` is asked every 64 KiB.
StatusOr<std::string> Gunzip(std::string_view file, int64_t max_bytes, std::string_view what,
                             KeepGoing keep_going = AlwaysKeepGoing);

}  // namespace lwq
