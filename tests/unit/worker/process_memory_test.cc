// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/process_memory.h"

#include <array>
#include <fstream>
#include <numeric>

#include "gtest/gtest.h"

namespace lwq::worker {
namespace {

constexpr size_t kConstants = size_t{4} << 20;
constexpr std::array<uint8_t, kConstants> kMostlyZero = {1, 2, 3};

int64_t ResidentBytes() {
  int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * 4096;
}

int64_t Sum() {
  const volatile uint8_t* constants = kMostlyZero.data();
  return std::accumulate(constants, constants + kConstants, int64_t{0});
}

TEST(ProcessMemoryTest, ConstantsAreLetGoOfAndComeBackAsTheyWere) {
  ASSERT_EQ(Sum(), 6);
  const int64_t before = ResidentBytes();
  ReleaseProgramPages();
  const int64_t after = ResidentBytes();
  EXPECT_LE(after, before - static_cast<int64_t>(kConstants));
  EXPECT_EQ(Sum(), 6);
  EXPECT_GE(ResidentBytes(), after + static_cast<int64_t>(kConstants));
}

}  // namespace
}  // namespace lwq::worker
