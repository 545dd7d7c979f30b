// The reference's longer runs: 128 samples, 4 epochs, high learning rates.
#include "tests/numerics/qat/blockap_fixture.h"

namespace lwq::qat {
namespace {

TEST_P(BlockApTest, TheTrajectoryOfTheReferenceIsReproduced) {
  ReproduceRun();
}

INSTANTIATE_TEST_SUITE_P(Strong, BlockApTest,
                         ::testing::Values("strong_w2g-1", "strong_w3g-1", "strong_w4g-1", "strong_h192_w2g64"),
                         TestName);

}  // namespace
}  // namespace lwq::qat
