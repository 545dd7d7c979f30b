// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/learnt_shapes.h"

#include "gtest/gtest.h"

namespace lwq::worker {
namespace {

TEST(LearntShapesTest, AShapeThatDidNotFitIsRecomputedFromThenOnAndNoOther) {
  int observed = 0;
  LearntShapes learnt([&] { ++observed; });
  EXPECT_FALSE(learnt.Recomputes("1 block"));
  learnt.DidNotFit("1 block", absl::ResourceExhaustedError("a step: out of memory"), 3, 10);
  EXPECT_TRUE(learnt.Recomputes("1 block"));
  EXPECT_FALSE(learnt.Recomputes("2 blocks"));
  EXPECT_EQ(observed, 1);
}

}  // namespace
}  // namespace lwq::worker
