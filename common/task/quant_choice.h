// SPDX-License-Identifier: Apache-2.0
// How one block may be quantized: a width and a group size. Pure value.
#pragma once

#include <cstdint>

namespace lwq {

struct QuantChoice {
  int bits = 0;
  int64_t group_size = 0;  // −1: a whole row
  friend bool operator==(const QuantChoice&, const QuantChoice&) = default;
};

}  // namespace lwq
