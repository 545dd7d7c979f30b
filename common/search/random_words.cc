// SPDX-License-Identifier: Apache-2.0
#include "common/search/random_words.h"

namespace lwq::search {
namespace {

constexpr int kPhiloxRounds = 10;
constexpr uint64_t kMultipliers[2] = {0xD2E7470EE14C6C93, 0xCA5A826395121157};
constexpr uint64_t kKeySteps[2] = {0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B};  // golden ratio, √3 − 1

struct Product {
  uint64_t high;
  uint64_t low;
};

Product Multiply(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return {static_cast<uint64_t>(product >> 64), static_cast<uint64_t>(product)};
}

}  // namespace

std::array<uint64_t, 4> RandomWords(const RandomCounter& counter, uint64_t key0, uint64_t key1) {
  std::array<uint64_t, 4> words = counter;
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const Product first = Multiply(kMultipliers[0], words[0]);
    const Product second = Multiply(kMultipliers[1], words[2]);
    words = {second.high ^ words[1] ^ key0, second.low, first.high ^ words[3] ^ key1, first.low};
    key0 += kKeySteps[0];
    key1 += kKeySteps[1];
  }
  return words;
}

double UnitOfWord(uint64_t word) {
  return static_cast<double>(word >> 11) * 0x1p-53;
}

double RandomRow::Next() {
  const RandomCounter counter = {drawn_++, first_, second_, 0};
  return UnitOfWord(RandomWords(counter, seed_, static_cast<uint64_t>(purpose_))[0]);
}

}  // namespace lwq::search
