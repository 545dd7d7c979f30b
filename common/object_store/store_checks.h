// SPDX-License-Identifier: Apache-2.0
// Checks every store makes before it does anything, so that all refuse the same calls with the same words.
//
// Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

inline constexpr int kMaxListLimit = 1000;

// INVALID_ARGUMENT unless prefix and start_after could begin a key (both may be empty) and 1 <= limit <= 1000.
Status ValidateListArguments(std::string_view prefix, std::string_view start_after, int limit);

// OUT_OF_RANGE naming the object unless [offset, offset+length) lies inside its size_bytes. Never overflows.
Status ValidateRange(std::string_view key, int64_t offset, int64_t length, int64_t size_bytes);

// The errors whose words all stores share.
Status ObjectNotFound(std::string_view key, std::string_view store);
Status ObjectExists(std::string_view key, std::string_view store);

}  // namespace lwq
