// SPDX-License-Identifier: Apache-2.0
// Random words and Sobol points against NumPy and SciPy (golden/search/sequences.json): digits exactly, the evenness of
// scrambled points by the mean of their discrepancies.
#include <cmath>
#include <string>

#include "common/search/low_discrepancy.h"
#include "common/search/random_words.h"
#include "gtest/gtest.h"
#include "tests/numerics/search/search_golden.h"

namespace lwq::search {
namespace {

using testing::SearchGolden;
using Points = std::vector<std::vector<double>>;

uint64_t WordOf(const Json& text) {
  return std::stoull(text.get<std::string>());
}

// The square of the centred L2 discrepancy (F. J. Hickernell, 1998), as scipy.stats.qmc.discrepancy gives it.
double CentredDiscrepancy(const Points& points) {
  const auto count = static_cast<double>(points.size());
  double single = 0;
  double pairs = 0;
  for (const std::vector<double>& a : points) {
    double product = 1;
    for (const double x : a) product *= 1 + 0.5 * std::abs(x - 0.5) - 0.5 * (x - 0.5) * (x - 0.5);
    single += product;
    for (const std::vector<double>& b : points) {
      double pair = 1;
      for (size_t d = 0; d < a.size(); ++d) {
        pair *= 1 + 0.5 * (std::abs(a[d] - 0.5) + std::abs(b[d] - 0.5) - std::abs(a[d] - b[d]));
      }
      pairs += pair;
    }
  }
  return std::pow(13.0 / 12.0, static_cast<double>(points[0].size())) - 2 / count * single + pairs / (count * count);
}

TEST(SearchSequencesTest, RandomWordsAreNumPysPhilox) {
  for (const Json& golden : SearchGolden("sequences")["philox"]) {
    RandomCounter counter;
    for (size_t i = 0; i < 4; ++i) counter[i] = WordOf(golden["counter"][i]);
    const auto words = RandomWords(counter, WordOf(golden["key"][0]), WordOf(golden["key"][1]));
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(words[i], WordOf(golden["words"][i])) << golden.dump();
  }
}

TEST(SearchSequencesTest, SobolDigitsAreSciPys) {
  const Json& golden = SearchGolden("sequences");
  const auto dimensions = golden["dimensions"].get<std::vector<size_t>>();
  for (uint32_t index = 0; index < golden["sobol"].size(); ++index) {
    const std::vector<uint32_t> digits = SobolDigits(index, 1000);
    for (size_t d = 0; d < dimensions.size(); ++d) {
      EXPECT_EQ(digits[dimensions[d]], golden["sobol"][index][d].get<uint32_t>()) << index << ", " << dimensions[d];
    }
  }
  const Json& later = golden["sobol_later"];
  EXPECT_EQ(SobolDigits(later["index"], 10), later["digits"].get<std::vector<uint32_t>>());
}

TEST(SearchSequencesTest, ScrambledPointsAreAsEvenAsSciPys) {
  const Json& golden = SearchGolden("sequences");
  Points plain;
  for (uint32_t index = 0; index < 16; ++index) {
    plain.emplace_back();
    for (const uint32_t digits : SobolDigits(index, 4)) plain.back().push_back(digits * 0x1p-32);
  }
  EXPECT_NEAR(CentredDiscrepancy(plain), golden["centred_discrepancy_4x16"].get<double>(), 1e-12);

  for (const Json& expected : golden["scrambled"]) {
    const auto points = expected["points"].get<uint32_t>();
    const auto dimensions = expected["dimensions"].get<size_t>();
    constexpr int kSeeds = 200;
    double sum = 0;
    for (int seed = 0; seed < kSeeds; ++seed) {
      Points drawn;
      for (uint32_t i = 0; i < points; ++i) drawn.push_back(ScrambledSobolPoint(seed, i, dimensions));
      sum += CentredDiscrepancy(drawn);
    }
    const double mean = sum / kSeeds;
    const double deviation = expected["deviation"];
    // Both are means of samples; four standard errors of their difference.
    const double error = deviation * std::sqrt(1.0 / kSeeds + 1.0 / expected["studies"].get<double>());
    const std::string what = std::to_string(dimensions) + " dimensions, " + std::to_string(points) + " points";
    EXPECT_NEAR(mean, expected["mean"].get<double>(), 4 * error) << what;
    EXPECT_LT(mean, 0.8 * expected["random_mean"].get<double>()) << what;
  }
}

}  // namespace
}  // namespace lwq::search
