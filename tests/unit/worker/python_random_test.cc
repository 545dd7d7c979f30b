// SPDX-License-Identifier: Apache-2.0
#include "worker/windows/python_random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace lwq {
namespace {

using ::testing::ElementsAre;

template <typename F>
std::vector<int64_t> Draw(int n, F&& next) {
  std::vector<int64_t> values;
  for (int i = 0; i < n; ++i) values.push_back(static_cast<int64_t>(next()));
  return values;
}

// All expected values are CPython 3.11's.
TEST(PythonRandom, RawOutputsEqualCPythonsForSmallSeeds) {
  PythonRandom two(2);
  EXPECT_THAT(Draw(4, [&] { return two.Next32(); }), ElementsAre(4106135923, 3707026329, 4070888059, 3646664648));
  PythonRandom zero(0);
  EXPECT_THAT(Draw(4, [&] { return zero.Next32(); }), ElementsAre(3626764237, 1654615998, 3255389356, 3823568514));
}

TEST(PythonRandom, RandintEqualsCPythons) {
  PythonRandom digits(2);
  EXPECT_THAT(Draw(10, [&] { return digits.RandomInt(0, 9); }), ElementsAre(0, 1, 1, 5, 2, 4, 4, 9, 3, 9));
  PythonRandom starts(2);
  EXPECT_THAT(Draw(6, [&] { return starts.RandomInt(0, 305273); }),
              ElementsAre(29649, 48016, 44497, 189298, 88648, 161552));
}

TEST(PythonRandom, SeedsBeyond32BitsUseBothWords) {
  PythonRandom random((int64_t{1} << 40) + 7);
  EXPECT_THAT(Draw(3, [&] { return random.Next32(); }), ElementsAre(2635837658, 3209733218, 3500038837));
}

TEST(PythonRandom, TheSignOfASeedIsIgnored) {
  PythonRandom minus(-5);
  PythonRandom plus(5);
  for (int i = 0; i < 700; ++i) ASSERT_EQ(minus.Next32(), plus.Next32()) << i;
  PythonRandom lowest(std::numeric_limits<int64_t>::min());
  EXPECT_EQ(lowest.Next32(), 2377109768u);
}

TEST(PythonRandom, OutputsAfterTheFirstRefillEqualCPythons) {
  PythonRandom random(2);
  for (int i = 0; i < 2000; ++i) random.Next32();
  EXPECT_EQ(random.Next32(), 4186999812u);
}

TEST(PythonRandom, RangesWiderThan32BitsEqualCPythons) {
  PythonRandom random(2);
  EXPECT_THAT(Draw(3, [&] { return random.RandomInt(-5, int64_t{1} << 50); }),
              ElementsAre(206227392571034, 813029083720664, 380743849296159));
}

TEST(PythonRandom, ARangeOfOneValueStillConsumesAsCPythonDoes) {
  PythonRandom random(2);
  EXPECT_EQ(random.RandomInt(7, 7), 7);
  EXPECT_EQ(random.Next32(), 393353683u);
}

}  // namespace
}  // namespace lwq
