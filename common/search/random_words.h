// SPDX-License-Identifier: Apache-2.0
// Random numbers without a state: a word is a function of a key and a counter.
//
// Philox4x64-10 of J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3"
// (SC 2011): any draw can be made alone and again, so that a search that was killed draws what it would have drawn.
// The words are those of numpy.random.Philox (tests/numerics/search). Pure; thread-safety: values.
#pragma once

#include <array>
#include <cstdint>

namespace lwq::search {

// What a draw is for: draws for different purposes share no words, whatever their seeds and counters are.
enum class RandomPurpose : uint64_t { kScrambling = 1, kTpe = 2 };

using RandomCounter = std::array<uint64_t, 4>;

std::array<uint64_t, 4> RandomWords(const RandomCounter& counter, uint64_t key0, uint64_t key1);

// The number in [0, 1) that a word's upper 53 bits are.
double UnitOfWord(uint64_t word);

// A numbered row of draws, each uniform in [0, 1), for one seed, purpose and pair of numbers.
class RandomRow {
 public:
  RandomRow(uint64_t seed, RandomPurpose purpose, uint64_t first, uint64_t second)
      : seed_(seed), purpose_(purpose), first_(first), second_(second) {}
  double Next();

 private:
  uint64_t seed_;
  RandomPurpose purpose_;
  uint64_t first_;
  uint64_t second_;
  uint64_t drawn_ = 0;
};

}  // namespace lwq::search
