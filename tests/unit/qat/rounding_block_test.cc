// SPDX-License-Identifier: Apache-2.0
// FitRounding on small random blocks: what it keeps, what it leaves alone, what it refuses.
#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/api/fit_rounding.h"
#include "worker/qat/device/host_tensor.h"

namespace lwq::qat {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr RoundingFit kBothFits[] = {RoundingFit::kSignRound, RoundingFit::kOmniQuant};

class FitRoundingTest : public ::testing::Test {
 protected:
  static FitOptions Options(RoundingFit fit, int bits = 2) {
    const bool is_signround = fit == RoundingFit::kSignRound;
    return {.fit = fit,
            .bits = bits,
            .group_size = 16,
            .steps = 40,
            .batch_size = 4,
            .offset_lr = is_signround ? 1.0 / 40 : 0,
            .range_lr = is_signround ? 1.0 / 40 : 0.1,
            .keep_latent = true};
  }
  StatusOr<FitOutcome> Try(const FitOptions& options) {
    return FitRounding(config_, block_, data_.inputs(), options, progress_, cancel_);
  }
  FitOutcome Fit(const FitOptions& options) {
    StatusOr<FitOutcome> outcome = Try(options);
    LWQ_CHECK(outcome.ok(), outcome.status().ToString());
    return *std::move(outcome);
  }
  // Mean squared error of a served block on the validation set, measured from outside.
  double LossFromOutside(const BlockState& block) {
    MemorySamples out(DType::kF32, data_.val_in.sample_shape());
    const Status status = AdvanceBlock(config_, block, data_.val_in, out, AdvanceOptions{}, nullptr, cancel_);
    LWQ_CHECK(status.ok(), status.ToString());
    return AllOf(out).sub(AllOf(data_.val_target)).pow(2).mean().item<double>();
  }

  LlamaConfig config_ = RandomConfig({.has_extras = true});
  BlockState block_ = RandomBlock(config_, 3);
  TrainingSet data_ = RandomTrainingSet(config_, block_, /*train=*/10, /*val=*/4, /*seqlen=*/12, /*seed=*/90);
  ProgressSink progress_;
  CancelToken cancel_;
};

TEST_F(FitRoundingTest, NoStepIsRoundToNearestByteForByte) {
  for (const RoundingFit fit : kBothFits) {
    for (const ZeroPoints zero_points : {ZeroPoints::kAny, ZeroPoints::kMiddle, ZeroPoints::kSymmetric}) {
      FitOptions options = Options(fit);
      options.steps = 0;
      options.zero_points = zero_points;
      const BlockState nearest =
          *QuantizeRtn(config_, block_, {.bits = 2, .group_size = 16, .zero_points = zero_points});
      EXPECT_TRUE(SameBytes(Fit(options).block, nearest)) << WordOf(fit);
      options.keep_best = false;
      EXPECT_TRUE(SameBytes(Fit(options).block, nearest)) << WordOf(fit);
    }
  }
}

TEST_F(FitRoundingTest, TheLossFallsIsThatOfTheServedBlockAndNeverAboveRoundToNearest) {
  for (const RoundingFit fit : kBothFits) {
    for (const int bits : {2, 3, 4}) {
      const FitOutcome outcome = Fit(Options(fit, bits));
      const BlockState nearest = *QuantizeRtn(config_, block_, {.bits = bits, .group_size = 16});
      EXPECT_NEAR(outcome.initial_val_loss, LossFromOutside(nearest), 1e-5 * outcome.initial_val_loss);
      EXPECT_NEAR(outcome.final_val_loss, LossFromOutside(outcome.block), 1e-5 * outcome.final_val_loss);
      EXPECT_EQ(outcome.final_val_loss, outcome.best_val_loss);
      EXPECT_LE(outcome.final_val_loss, outcome.initial_val_loss) << WordOf(fit) << " " << bits;
      EXPECT_EQ(outcome.train_losses.size(), 40u);
      EXPECT_EQ(outcome.validations.size(), 14u) << "a pass is three steps";
      EXPECT_EQ(outcome.validations.back().step, 40);
    }
    const FitOutcome outcome = Fit(Options(fit));
    EXPECT_LT(outcome.final_val_loss, 0.98 * outcome.initial_val_loss) << WordOf(fit);
  }
  FitOptions harmful = Options(RoundingFit::kSignRound);
  harmful.offset_lr = harmful.range_lr = 1;
  harmful.steps = 1;
  const FitOutcome kept = Fit(harmful);
  EXPECT_GT(kept.validations[0].val_loss, kept.initial_val_loss) << "else this shows nothing";
  EXPECT_EQ(kept.final_val_loss, kept.initial_val_loss);
  harmful.keep_best = false;
  EXPECT_EQ(Fit(harmful).final_val_loss, kept.validations[0].val_loss);
}

TEST_F(FitRoundingTest, EqualInputsGiveEqualBytesInBothPrecisions) {
  for (const RoundingFit fit : kBothFits) {
    for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
      FitOptions options = Options(fit);
      options.steps = 6;
      options.execution.precision = precision;
      const FitOutcome one = Fit(options), other = Fit(options);
      EXPECT_TRUE(SameBytes(one.block, other.block));
      EXPECT_EQ(one.train_losses, other.train_losses);
      EXPECT_TRUE(std::isfinite(one.final_val_loss));
    }
  }
}

TEST_F(FitRoundingTest, NormsAndBiasesStayAsTheyAreAndLatentWeightsHaveTheIntegers) {
  for (const RoundingFit fit : kBothFits) {
    FitOptions options = Options(fit);
    options.keep_best = false;
    const FitOutcome outcome = Fit(options);
    for (const BlockState* state : {&outcome.block, &outcome.latent}) {
      EXPECT_TRUE(SameBytes(state->input_norm, block_.input_norm));
      EXPECT_TRUE(SameBytes(state->post_attention_norm, block_.post_attention_norm));
      EXPECT_TRUE(SameBytes(*state->query_norm, *block_.query_norm));
      for (const LinearKind kind : kAllLinears) EXPECT_TRUE(SameBytes(state->biases.at(kind), block_.biases.at(kind)));
    }
    // A training that goes on from it and does nothing leaves its integers.
    TrainOptions train;
    train.bits = 2;
    train.group_size = 16;
    train.epochs = 0;
    TrainInputs inputs = data_.inputs();
    inputs.start = {outcome.block};
    const auto trained = TrainBlock(config_, {outcome.latent}, inputs, train, nullptr, cancel_);
    ASSERT_TRUE(trained.ok()) << trained.status();
    EXPECT_TRUE(SameBytes(trained->blocks[0].block, outcome.block)) << WordOf(fit);
    EXPECT_NEAR(trained->initial_val_loss, outcome.final_val_loss, 1e-5 * outcome.final_val_loss);
  }
  FitOptions alone = Options(RoundingFit::kSignRound);
  alone.keep_latent = false;
  EXPECT_TRUE(Fit(alone).latent.linears.empty()) << "nobody asked";
}

TEST_F(FitRoundingTest, WithoutValidationSamplesTheLastStateIsKept) {
  data_.val_in = MemorySamples(DType::kF32, data_.val_in.sample_shape());
  data_.val_target = data_.val_in;
  const FitOutcome outcome = Fit(Options(RoundingFit::kSignRound));
  EXPECT_TRUE(std::isnan(outcome.initial_val_loss) && std::isnan(outcome.final_val_loss));
  EXPECT_FALSE(SameBytes(outcome.block, *QuantizeRtn(config_, block_, {.bits = 2, .group_size = 16})));
}

TEST_F(FitRoundingTest, ItSaysHowFarItIsAndStopsBetweenWindowsWhenItIsToldTo) {
  std::vector<int64_t> steps, validated;
  progress_ = [&](const Progress& now) {
    (now.stage == "fit" ? steps : validated).push_back(now.step);
    EXPECT_EQ(now.steps, now.stage == "fit" ? 3 : 4);
  };
  FitOptions options = Options(RoundingFit::kOmniQuant);
  options.steps = 3;
  Fit(options);
  EXPECT_THAT(steps, ElementsAre(0, 0, 0, 0, 1, 1, 1, 1, 2, 2)) << "ten windows, four of them a step";
  EXPECT_THAT(validated, ElementsAre(1, 2, 3, 4, 1, 2, 3, 4));
  progress_ = [&](const Progress& now) { cancel_.cancelled = now.stage == "fit" && now.step == 1; };
  EXPECT_TRUE(absl::IsCancelled(Try(options).status()));
}

TEST_F(FitRoundingTest, WhatCannotBeFittedIsRefusedInOneLine) {
  const auto message = [&](const FitOptions& options) { return std::string(Try(options).status().message()); };
  FitOptions options = Options(RoundingFit::kOmniQuant);
  options.offset_lr = 0.1;
  EXPECT_THAT(message(options), HasSubstr("omniquant has no offsets, but offset_lr is 0.1: it must be 0"));
  options = Options(RoundingFit::kSignRound);
  options.offset_lr = options.range_lr = 0;
  EXPECT_THAT(message(options), HasSubstr("offset_lr and range_lr are both 0: nothing would be fitted"));
  options = Options(RoundingFit::kSignRound);
  options.range_lr = std::numeric_limits<double>::infinity();
  EXPECT_THAT(message(options), HasSubstr("they must be finite and not negative"));
  options = Options(RoundingFit::kSignRound);
  options.batch_size = 0;
  EXPECT_THAT(message(options), HasSubstr("batch_size is 0: at least 1"));
  options = Options(RoundingFit::kSignRound);
  options.group_size = 48;
  EXPECT_TRUE(absl::IsInvalidArgument(Try(options).status()));
  options = Options(RoundingFit::kSignRound);
  at::Tensor target = AllOf(data_.train_target);
  target[0][0][0] = std::numeric_limits<float>::infinity();
  data_.train_target = MemorySamples(DType::kF32, data_.val_in.sample_shape());
  ASSERT_TRUE(data_.train_target.Append(ToHostTensor(target)).ok());
  const Status damaged = Try(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(damaged)) << damaged;
  EXPECT_THAT(std::string(damaged.message()), HasSubstr("the error of the block's output is inf at step 0"));
}

}  // namespace
}  // namespace lwq::qat
