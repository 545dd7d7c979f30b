// SPDX-License-Identifier: Apache-2.0
// Small files that are read whole: certificates, tokens, credentials, notes of a state directory.
//
// Thread-safety: a free function, any thread.
#pragma once

#include <cstdint>
#include <string>

#include "common/status/status.h"

namespace lwq {

// Far above any certificate chain or file of tokens, far below what a wrong path could cost.
inline constexpr int64_t kMaxSmallFileBytes = 16 << 20;

// All bytes up to the end of the file, which may be a pipe. Codes and messages as posix_file.h says;
// INVALID_ARGUMENT: more than `max_bytes`, of which no more than one further block has been read.
StatusOr<std::string> ReadSmallFile(const std::string& path, int64_t max_bytes = kMaxSmallFileBytes);

}  // namespace lwq
