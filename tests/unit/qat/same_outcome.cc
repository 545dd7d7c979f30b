// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/qat/same_outcome.h"

#include <cstring>

#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"

namespace lwq::qat {
namespace {

// Equal to the last bit, NaN equal to itself.
bool SameNumbers(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

}  // namespace

void ExpectSame(const TrainOutcome& a, const TrainOutcome& b) {
  ASSERT_EQ(a.blocks.size(), b.blocks.size());
  for (size_t i = 0; i < a.blocks.size(); ++i) {
    EXPECT_TRUE(SameBytes(a.blocks[i].block, b.blocks[i].block)) << "block " << i;
    EXPECT_EQ(a.blocks[i].latent.linears.size(), b.blocks[i].latent.linears.size());
    const bool same_latent = a.blocks[i].latent.linears.empty() || SameBytes(a.blocks[i].latent, b.blocks[i].latent);
    EXPECT_TRUE(same_latent) << "block " << i;
    EXPECT_EQ(a.blocks[i].zero_point_flips, b.blocks[i].zero_point_flips);
  }
  EXPECT_TRUE(SameNumbers(a.train_losses, b.train_losses));
  EXPECT_TRUE(SameNumbers(a.grad_norms, b.grad_norms));
  EXPECT_TRUE(SameNumbers({a.initial_val_loss, a.best_val_loss, a.final_val_loss, a.epochs_trained},
                          {b.initial_val_loss, b.best_val_loss, b.final_val_loss, b.epochs_trained}));
  EXPECT_EQ(a.steps, b.steps);
  EXPECT_EQ(a.steps_planned, b.steps_planned);
  EXPECT_EQ(a.stopped_early, b.stopped_early);
  ASSERT_EQ(a.epochs.size(), b.epochs.size());
  for (size_t i = 0; i < a.epochs.size(); ++i) {
    EXPECT_EQ(a.epochs[i].step, b.epochs[i].step);
    EXPECT_TRUE(SameNumbers({a.epochs[i].epoch, a.epochs[i].train_loss, a.epochs[i].val_loss},
                            {b.epochs[i].epoch, b.epochs[i].train_loss, b.epochs[i].val_loss}));
  }
}

}  // namespace lwq::qat
