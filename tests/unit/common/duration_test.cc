// SPDX-License-Identifier: Apache-2.0
#include "common/text/duration.h"

#include "gtest/gtest.h"

namespace lwq {
namespace {

TEST(DurationTest, AWholeNumberAndAUnitIsATime) {
  EXPECT_EQ(ParseDurationMs("0s"), 0);
  EXPECT_EQ(ParseDurationMs("45s"), 45'000);
  EXPECT_EQ(ParseDurationMs("90m"), 90 * 60'000);
  EXPECT_EQ(ParseDurationMs("12h"), int64_t{12} * 3'600'000);
  EXPECT_EQ(ParseDurationMs("36500d"), int64_t{36'500} * 86'400'000);
}

TEST(DurationTest, AnythingElseIsNone) {
  for (const char* text : {"", "d", "5", "5 d", " 5d", "-1d", "+1d", "1.5h", "5w", "5ms", "36501d", "1d1h", "0x5d",
                           "99999999999999999999s"}) {
    EXPECT_EQ(ParseDurationMs(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace lwq
