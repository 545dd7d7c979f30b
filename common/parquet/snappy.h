// SPDX-License-Identifier: Apache-2.0
// Unpacks Snappy's raw format, as pages of Parquet hold it, within a bound.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

// Pure. DATA_LOSS where the bytes are none, or give more than they state or than `max_bytes`.
StatusOr<std::string> Unsnappy(std::string_view bytes, int64_t max_bytes);

}  // namespace lwq
