// SPDX-License-Identifier: Apache-2.0
// What the recipe's block_bits says: widths of single blocks. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/status/status.h"

namespace lwq::coordinator {

// Bits by layer_idx; none for "none". INVALID_ARGUMENT naming the entry that is not LAYER:BITS, is there twice, or has
// a width that nothing has.
StatusOr<std::map<int64_t, int>> ParseBlockBits(const std::string& text);

}  // namespace lwq::coordinator
