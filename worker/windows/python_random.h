// SPDX-License-Identifier: Apache-2.0
// CPython's `random` for integer seeds: MT19937 seeded with init_by_array, randint by rejection. EfficientQAT draws its
// calibration windows with it, and so do we, bit for bit.
//
// Source: Matsumoto and Nishimura, "Mersenne Twister" (1998), and the 2002 revision of its initialisation; CPython
// 3.2 and later for _randbelow. One thread at a time; deterministic on every platform.
#pragma once

#include <array>
#include <cstdint>

namespace lwq {

class PythonRandom {
 public:
  // random.seed(seed): the sign is ignored, as CPython does.
  explicit PythonRandom(int64_t seed);

  // getrandbits(32).
  uint32_t Next32();
  // getrandbits(bits), 1 ≤ bits ≤ 64.
  uint64_t RandomBits(int bits);
  // _randbelow(n): uniform in [0, n), n ≥ 1.
  uint64_t RandomBelow(uint64_t n);
  // randint(low, high): uniform in [low, high], both included; requires low ≤ high.
  int64_t RandomInt(int64_t low, int64_t high);

 private:
  static constexpr int kWords = 624;
  void SeedWord(uint32_t seed);
  void Refill();

  std::array<uint32_t, kWords> state_;
  int next_ = kWords;
};

}  // namespace lwq
