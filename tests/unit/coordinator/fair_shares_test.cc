// SPDX-License-Identifier: Apache-2.0
// Fair shares on workers of several classes: a small form of what lwq_bench_scheduler measures.
#include "tests/unit/coordinator/fair_shares.h"

#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

TEST(FairShareTest, OnWorkersOfThreeClassesProjectsGetTheirSharesOverAnyHourWithinFivePercent) {
  testing::FairFleet fleet(/*workers=*/60, /*runs=*/132, /*blocks=*/24, /*train_seconds=*/120);
  const testing::Fairness fairness = fleet.Measure(/*hours=*/3);
  EXPECT_GT(fairness.windows, 30);
  EXPECT_LE(fairness.largest_error, 0.05);
}

}  // namespace
}  // namespace lwq::coordinator
