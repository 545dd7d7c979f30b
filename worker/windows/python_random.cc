// SPDX-License-Identifier: Apache-2.0
#include "worker/windows/python_random.h"

#include <bit>

#include "common/status/status.h"

namespace lwq {

PythonRandom::PythonRandom(int64_t seed) {
  const uint64_t magnitude = seed < 0 ? ~static_cast<uint64_t>(seed) + 1 : static_cast<uint64_t>(seed);
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(magnitude), static_cast<uint32_t>(magnitude >> 32)};
  const int key_words = key[1] != 0 ? 2 : 1;

  SeedWord(19650218);
  int i = 1;
  int j = 0;
  const auto previous = [&] {
    const uint32_t word = state_[static_cast<size_t>(i - 1)];
    return word ^ (word >> 30);
  };
  const auto advance = [&] {
    if (++i >= kWords) {
      state_[0] = state_[kWords - 1];
      i = 1;
    }
  };
  for (int k = 0; k < kWords; ++k) {
    uint32_t& word = state_[static_cast<size_t>(i)];
    word = (word ^ (previous() * 1664525u)) + key[static_cast<size_t>(j)] + static_cast<uint32_t>(j);
    advance();
    if (++j >= key_words) j = 0;
  }
  for (int k = 0; k < kWords - 1; ++k) {
    uint32_t& word = state_[static_cast<size_t>(i)];
    word = (word ^ (previous() * 1566083941u)) - static_cast<uint32_t>(i);
    advance();
  }
  state_[0] = 0x80000000u;
}

void PythonRandom::SeedWord(uint32_t seed) {
  state_[0] = seed;
  for (uint32_t i = 1; i < kWords; ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }
}

void PythonRandom::Refill() {
  constexpr size_t kShift = 397;
  for (size_t i = 0; i < kWords; ++i) {
    const uint32_t mixed = (state_[i] & 0x80000000u) | (state_[(i + 1) % kWords] & 0x7FFFFFFFu);
    state_[i] = state_[(i + kShift) % kWords] ^ (mixed >> 1) ^ ((mixed & 1u) ? 0x9908B0DFu : 0u);
  }
  next_ = 0;
}

uint32_t PythonRandom::Next32() {
  if (next_ == kWords) Refill();
  uint32_t y = state_[static_cast<size_t>(next_++)];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9D2C5680u;
  y ^= (y << 15) & 0xEFC60000u;
  return y ^ (y >> 18);
}

uint64_t PythonRandom::RandomBits(int bits) {
  LWQ_CHECK(bits >= 1 && bits <= 64, "RandomBits of ", bits);
  if (bits <= 32) return Next32() >> (32 - bits);
  const uint64_t low = Next32();
  return low | static_cast<uint64_t>(Next32() >> (64 - bits)) << 32;
}

uint64_t PythonRandom::RandomBelow(uint64_t n) {
  LWQ_CHECK(n >= 1, "RandomBelow(0)");
  const int bits = std::bit_width(n);
  uint64_t value = RandomBits(bits);
  while (value >= n) value = RandomBits(bits);
  return value;
}

int64_t PythonRandom::RandomInt(int64_t low, int64_t high) {
  LWQ_CHECK(low <= high, "randint(", low, ", ", high, ")");
  const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  LWQ_CHECK(span != UINT64_MAX, "randint over all 64-bit integers");
  return static_cast<int64_t>(static_cast<uint64_t>(low) + RandomBelow(span + 1));
}

}  // namespace lwq
