// SPDX-License-Identifier: Apache-2.0
// Sizes as flags and metadata give them: 200GiB, 8MB, 1024. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace lwq::coordinator {

// Bytes, at least 1; 0: it is no such size.
int64_t ParseSize(std::string text);

}  // namespace lwq::coordinator
