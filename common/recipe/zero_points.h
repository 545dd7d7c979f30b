// SPDX-License-Identifier: Apache-2.0
// Which zero points quantizers may have: the one concept behind the recipe's keys middle_zero_points and sym.
//
// What a zero point can be decides which layouts hold a linear, and whether it is trained. Two keys say it to a user
// because they are for different readers: middle zero points for llama.cpp's 2-bit blocks, symmetric ones for kernels
// that know no other. Values; thread-safe.
#pragma once

namespace lwq {

enum class ZeroPoints {
  kAny,        // 0 to 2^bits − 1, trained
  kMiddle,     // of 2 bits 1 or 2, trained; of other widths any
  kSymmetric,  // 2^(bits − 1), not trained
};

// Levels q − z then go from −2^(bits − 1) to 2^(bits − 1) − 1.
constexpr int SymmetricZeroPoint(int bits) {
  return 1 << (bits - 1);
}

// The two keys by themselves.
struct ZeroPointKeys {
  bool middle_zero_points = false;
  bool sym = false;
};

// Of a recipe, a task's parameters or the keys by themselves: what has both. A recipe that sets both is refused.
template <typename Keys>
constexpr ZeroPoints ZeroPointsOf(const Keys& keys) {
  if (keys.sym) return ZeroPoints::kSymmetric;
  return keys.middle_zero_points ? ZeroPoints::kMiddle : ZeroPoints::kAny;
}

}  // namespace lwq
