// SPDX-License-Identifier: Apache-2.0
// Every reference run: 2, 3 and 4 bits at all groups, frozen groups, weight decay, batches, mixed widths, early stop,
// and longer ones with high learning rates.
#include "tests/numerics/qat/blockap_fixture.h"

namespace lwq::qat {
namespace {

TEST_P(BlockApTest, TheTrajectoryOfTheReferenceIsReproduced) {
  ReproduceRun();
}

INSTANTIATE_TEST_SUITE_P(Bits234, BlockApTest,
                         ::testing::Values("w2g-1", "w3g-1", "w4g-1", "w4g-1_wlr2e-5", "w2g4", "w3g4", "w4g4",
                                           "h192_w2g64", "h192_w3g64", "h192_w4g64", "h192_w2g32"),
                         TestName);
INSTANTIATE_TEST_SUITE_P(Variants, BlockApTest,
                         ::testing::Values("w8g-1", "w2g-1_quant_only", "w2g-1_weight_only", "w3g-1_wd", "w3g-1_batch4",
                                           "w8g-1_lowlr", "w4g4_lowlr", "h192_mixed", "h192_mixed_lowlr"),
                         TestName);
INSTANTIATE_TEST_SUITE_P(EarlyStop, BlockApTest,
                         ::testing::Values("w4g-1_n2_early_stop2_cumulative", "w2g-1_n2_early_stop2_cumulative",
                                           "w2g-1_n2_early_stop2_reset"),
                         TestName);

// 128 samples, 4 epochs, high learning rates.
INSTANTIATE_TEST_SUITE_P(Strong, BlockApTest,
                         ::testing::Values("strong_w2g-1", "strong_w3g-1", "strong_w4g-1", "strong_h192_w2g64"),
                         TestName);

}  // namespace
}  // namespace lwq::qat
