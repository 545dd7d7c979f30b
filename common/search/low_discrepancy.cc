// SPDX-License-Identifier: Apache-2.0
#include "common/search/low_discrepancy.h"

#include <boost/random/sobol.hpp>

#include "common/search/random_words.h"
#include "common/search/search_space.h"
#include "common/status/status.h"

namespace lwq::search {
namespace {

static_assert(kMaxParameters <= boost::random::detail::qrng_tables::sobol::max_dimension);

constexpr int kSobolDigits = 32;  // an index below 2^32 sets none behind them

// Nodes of the tree of digits are numbered as in a heap: 1 has no digit before it, 2n and 2n + 1 follow n.
double Scramble(uint32_t digits, uint64_t seed, uint64_t dimension) {
  const auto words_at = [&](uint64_t node) {
    return RandomWords({node, dimension, 0, 0}, seed, static_cast<uint64_t>(RandomPurpose::kScrambling));
  };
  uint64_t node = 1;
  uint64_t scrambled = 0;
  for (int position = kSobolDigits - 1; position >= 0; --position) {
    const uint64_t digit = (digits >> position) & 1;
    const uint64_t flip = words_at(node)[0] >> 63;
    scrambled = scrambled << 1 | (digit ^ flip);
    node = node << 1 | digit;
  }
  // Behind Sobol's digits are zeros, which no two points share a node of any more: flipped, they are random digits.
  constexpr int kLeft = 53 - kSobolDigits;
  scrambled = scrambled << kLeft | words_at(node)[0] >> (64 - kLeft);
  return static_cast<double>(scrambled) * 0x1p-53;
}

}  // namespace

std::vector<uint32_t> SobolDigits(uint32_t index, size_t dimensions) {
  LWQ_CHECK(dimensions >= 1 && dimensions <= kMaxParameters, dimensions, " dimensions");
  std::vector<uint32_t> digits(dimensions, 0);
  if (index == 0) return digits;
  boost::random::sobol engine(dimensions);  // begins behind the zeros of point 0
  engine.seed(uint64_t{index} - 1);
  for (uint32_t& coordinate : digits) coordinate = static_cast<uint32_t>(engine() >> 32);
  return digits;
}

std::vector<double> ScrambledSobolPoint(uint64_t seed, uint32_t index, size_t dimensions) {
  const std::vector<uint32_t> digits = SobolDigits(index, dimensions);
  std::vector<double> point(dimensions);
  for (size_t d = 0; d < dimensions; ++d) point[d] = Scramble(digits[d], seed, d);
  return point;
}

}  // namespace lwq::search
