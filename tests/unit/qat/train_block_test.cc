// SPDX-License-Identifier: Apache-2.0
// TrainBlock with our own default options, on small random blocks.
#include "worker/qat/api/train_block.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/quantizer_reference.h"
#include "worker/qat/train/unit_trainer.h"

namespace lwq::qat {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

class TrainBlockTest : public ::testing::Test {
 protected:
  static TrainOptions Options() {
    TrainOptions options;
    options.bits = 3;
    options.group_size = 16;
    options.quant_lr = 1e-3;
    options.weight_lr = 1e-3;
    return options;
  }

  StatusOr<TrainOutcome> Try(const TrainOptions& options) {
    return TrainBlock(config_, {block_}, data_.inputs(), options, progress_, cancel_);
  }
  TrainOutcome Train(const TrainOptions& options) {
    auto outcome = Try(options);
    LWQ_CHECK(outcome.ok(), outcome.status().ToString());
    return *std::move(outcome);
  }
  // Mean squared error of a served block on the validation set, measured from outside.
  double ServedLoss(const BlockState& block) {
    MemorySamples out(DType::kF32, data_.val_in.sample_shape());
    AdvanceOptions options;
    options.micro_batch = 2;
    const Status status = AdvanceBlock(config_, block, data_.val_in, out, options, nullptr, cancel_);
    LWQ_CHECK(status.ok(), status.ToString());
    return AllOf(out).sub(AllOf(data_.val_target)).pow(2).mean().item<double>();
  }

  LlamaConfig config_ = RandomConfig();
  BlockState block_ = RandomBlock(config_, 3);
  TrainingSet data_ = RandomTrainingSet(config_, block_, /*train=*/10, /*val=*/4, /*seqlen=*/12, /*seed=*/90);
  ProgressSink progress_;
  CancelToken cancel_;
};

TEST_F(TrainBlockTest, TrainingLowersTheLossOfTheServedBlock) {
  TrainOptions options = Options();
  options.epochs = 4;
  const TrainOutcome outcome = Train(options);
  EXPECT_LT(outcome.final_val_loss, 0.9 * outcome.initial_val_loss);
  EXPECT_EQ(outcome.steps, 20);
  EXPECT_EQ(outcome.epochs.size(), 4u);
  EXPECT_EQ(outcome.train_losses.size(), 20u);
  EXPECT_EQ(outcome.grad_norms.size(), 20u);
}

TEST_F(TrainBlockTest, TwoAndAHalfEpochsAreTwoPassesAndTheFirstHalfOfAThird) {
  TrainOptions options = Options();
  options.batch_size = 1;
  options.epochs = 2.5;
  const TrainOutcome outcome = Train(options);
  EXPECT_EQ(outcome.steps_planned, 25);
  EXPECT_EQ(outcome.steps, 25);
  EXPECT_EQ(outcome.epochs_trained, 2.5);
  ASSERT_EQ(outcome.epochs.size(), 3u);
  EXPECT_EQ(outcome.epochs[1].epoch, 2);
  EXPECT_EQ(outcome.epochs[2].epoch, 2.5);
  EXPECT_EQ(outcome.epochs[2].step, 25);
  EXPECT_TRUE(std::isfinite(outcome.epochs[2].val_loss));
}

TEST_F(TrainBlockTest, APartialLastBatchIsAStepOverItsOwnSamples) {
  TrainOptions options = Options();
  options.batch_size = 4;
  options.epochs = 1;
  const TrainOutcome outcome = Train(options);
  EXPECT_EQ(outcome.steps, 3);  // 4 + 4 + 2 samples
}

TEST_F(TrainBlockTest, ReportedLossesAreThoseOfTheBlockThatIsServed) {
  const TrainOutcome outcome = Train(Options());
  EXPECT_NEAR(ServedLoss(outcome.blocks[0].block), outcome.final_val_loss, 1e-5 * outcome.final_val_loss);
}

TEST_F(TrainBlockTest, WhatTrainingSawIsBitForBitWhatTheStoredIntegersDecodeTo) {
  TrainOptions options = Options();
  UnitTrainer trainer(config_, {block_}, options, 12, at::kCPU);
  const at::Tensor in = AllOf(data_.train_in), target = AllOf(data_.train_target);
  for (int step = 0; step < 5; ++step) {
    trainer.Accumulate(in, target, 1);
    trainer.Step({.quant = 1e-3, .zero_point = 1e-1, .weight = 1e-3});
  }
  const BlockTensors seen = trainer.ServedWeights()[0];
  const BlockState stored = trainer.blocks()[0].Derive();
  for (const LinearKind kind : kAllLinears) {
    const auto& linear = std::get<QuantizedLinear>(stored.linears.at(kind));
    EXPECT_TRUE(Dequantize(linear, at::kCPU).equal(seen[kind])) << LinearName(kind);
    const at::Tensor scales = ToTensor(linear.scales, at::kFloat, at::kCPU);
    EXPECT_TRUE(scales.equal(scales.to(at::kHalf).to(at::kFloat)))
        << LinearName(kind) << " has scales that fp16 cannot hold";
  }
}

// Groups whose zero point is neither 1 nor 2.
int64_t OutsideTheMiddle(const BlockState& block) {
  int64_t outside = 0;
  for (const LinearKind kind : kAllLinears) {
    const auto& linear = std::get<QuantizedLinear>(block.linears.at(kind));
    for (const char zero : linear.zeros.bytes.view()) outside += zero == 1 || zero == 2 ? 0 : 1;
  }
  return outside;
}

TEST_F(TrainBlockTest, MiddleZeroPointsAreKeptInTheMiddleByRatesThatCarryOthersOutOfIt) {
  TrainOptions options = Options();
  options.bits = 2;
  options.zp_lr = 0.5;
  options.epochs = 4;
  options.keep_best = false;
  EXPECT_GT(OutsideTheMiddle(Train(options).blocks[0].block), 0) << "the rate of this test moves no zero point";
  options.middle_zero_points = true;
  const TrainOutcome confined = Train(options);
  EXPECT_EQ(OutsideTheMiddle(confined.blocks[0].block), 0);
  EXPECT_GT(confined.zero_point_flips, 0) << "between the two they still move";
  EXPECT_NEAR(ServedLoss(confined.blocks[0].block), confined.final_val_loss, 1e-5 * confined.final_val_loss);
}

TEST_F(TrainBlockTest, MiddleZeroPointsAreThereBeforeTheFirstStep) {
  TrainOptions options = Options();
  options.bits = 2;
  options.epochs = 0;
  options.group_size = 4;  // small groups are one-sided now and then
  EXPECT_GT(OutsideTheMiddle(Train(options).blocks[0].block), 0);
  options.middle_zero_points = true;
  EXPECT_EQ(OutsideTheMiddle(Train(options).blocks[0].block), 0);
}

TEST_F(TrainBlockTest, MiddleZeroPointsLeaveBlocksOfOtherWidthsAlone) {
  TrainOptions options = Options();
  options.zp_lr = 0.5;
  const TrainOutcome without = Train(options);
  options.middle_zero_points = true;
  const TrainOutcome with = Train(options);
  EXPECT_EQ(with.train_losses, without.train_losses);
  for (const LinearKind kind : kAllLinears) {
    const auto& a = std::get<QuantizedLinear>(with.blocks[0].block.linears.at(kind));
    const auto& b = std::get<QuantizedLinear>(without.blocks[0].block.linears.at(kind));
    EXPECT_TRUE(SameBytes(a.zeros, b.zeros) && SameBytes(a.codes, b.codes)) << LinearName(kind);
  }
}

TEST_F(TrainBlockTest, SymmetricZeroPointsNeverMoveAndScalesAreTrained) {
  for (const int bits : {2, 4, 8}) {
    TrainOptions options = Options();
    options.bits = bits;
    options.quant_lr = 1e-3;
    options.zp_lr = 0.5;  // which moves those that may
    options.keep_best = false;
    options.sym = true;
    options.epochs = 0;
    const TrainOutcome untrained = Train(options);
    options.epochs = 4;
    const TrainOutcome trained = Train(options);
    EXPECT_EQ(trained.zero_point_flips, 0);
    for (const LinearKind kind : kAllLinears) {
      const auto& before = std::get<QuantizedLinear>(untrained.blocks[0].block.linears.at(kind));
      const auto& after = std::get<QuantizedLinear>(trained.blocks[0].block.linears.at(kind));
      for (const char zero : after.zeros.bytes.view()) ASSERT_EQ(static_cast<unsigned char>(zero), 1 << (bits - 1));
      EXPECT_TRUE(SameBytes(before.zeros, after.zeros)) << LinearName(kind);
      EXPECT_FALSE(SameBytes(before.scales, after.scales)) << LinearName(kind);
    }
    EXPECT_NEAR(ServedLoss(trained.blocks[0].block), trained.final_val_loss, 1e-5 * trained.final_val_loss);
  }
}

TEST_F(TrainBlockTest, NormsOfQueriesAndKeysAreTrainedAndBiasesAreNot) {
  const LlamaConfig config = RandomConfig({.has_extras = true});
  const BlockState block = RandomBlock(config, 3);
  TrainingSet data = RandomTrainingSet(config, block, 4, 2, 12, 4);
  TrainOptions options = Options();
  options.keep_best = false;
  options.keep_latent = true;
  const CancelToken cancel;
  const auto outcome = TrainBlock(config, {block}, data.inputs(), options, nullptr, cancel);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const TrainedBlock& trained = outcome->blocks[0];
  for (const BlockState* state : {&trained.block, &trained.latent}) {
    ASSERT_EQ(state->biases.size(), std::size(kAllLinears));
    for (const auto& [kind, bias] : state->biases) EXPECT_TRUE(SameBytes(bias, block.biases.at(kind)));
    EXPECT_FALSE(SameBytes(*state->query_norm, *block.query_norm));
    EXPECT_FALSE(SameBytes(*state->key_norm, *block.key_norm));
  }
  // What was validated last is what is handed on: with biases and norms as they are in `block`.
  MemorySamples out(DType::kF32, data.val_in.sample_shape());
  ASSERT_TRUE(AdvanceBlock(config, trained.block, data.val_in, out, AdvanceOptions{}, nullptr, cancel).ok());
  EXPECT_NEAR(AllOf(out).sub(AllOf(data.val_target)).pow(2).mean().item<double>(), outcome->final_val_loss,
              1e-5 * outcome->final_val_loss);
  options.weight_lr = 0;
  const auto frozen = TrainBlock(config, {block}, data.inputs(), options, nullptr, cancel);
  ASSERT_TRUE(frozen.ok()) << frozen.status();
  EXPECT_TRUE(SameBytes(*frozen->blocks[0].block.query_norm, *block.query_norm));
}

TEST_F(TrainBlockTest, TheDerivedStateDoesNotChangeWhenTrainingGoesOn) {
  UnitTrainer trainer(config_, {block_}, Options(), 12, at::kCPU);
  const BlockState before = trainer.blocks()[0].Derive();
  const std::string norm(before.input_norm.bytes.view());
  trainer.Accumulate(AllOf(data_.train_in), AllOf(data_.train_target), 1);
  trainer.Step({.quant = 1e-2, .zero_point = 1e-2, .weight = 1e-2});
  EXPECT_EQ(before.input_norm.bytes.view(), norm);
  EXPECT_FALSE(SameBytes(before, trainer.blocks()[0].Derive()));
}

TEST_F(TrainBlockTest, KeepBestReturnsTheEarliestMinimumOfTheValidations) {
  TrainOptions options = Options();
  options.epochs = 6;
  options.quant_lr = options.weight_lr = 2e-2;  // far too high: the loss goes up and down
  options.min_lr_factor = 1;
  const TrainOutcome best = Train(options);
  double minimum = best.initial_val_loss;
  for (const EpochStats& epoch : best.epochs) minimum = std::min(minimum, epoch.val_loss);
  EXPECT_EQ(best.best_val_loss, minimum);
  EXPECT_EQ(best.final_val_loss, minimum);
  EXPECT_NEAR(ServedLoss(best.blocks[0].block), minimum, 1e-5 * minimum);

  options.keep_best = false;
  const TrainOutcome last = Train(options);
  EXPECT_EQ(last.best_val_loss, minimum);
  EXPECT_EQ(last.final_val_loss, last.epochs.back().val_loss);
  EXPECT_NEAR(ServedLoss(last.blocks[0].block), last.final_val_loss, 1e-5 * last.final_val_loss);
}

TEST_F(TrainBlockTest, KeepBestGivesBackTheInitialStateWhenTrainingOnlyHarms) {
  TrainOptions options = Options();
  options.quant_lr = options.weight_lr = 1;
  const TrainOutcome outcome = Train(options);
  ASSERT_FALSE(outcome.diverged);
  for (const EpochStats& epoch : outcome.epochs) ASSERT_GT(epoch.val_loss, outcome.initial_val_loss);
  EXPECT_EQ(outcome.final_val_loss, outcome.initial_val_loss);
  RtnOptions rtn;
  rtn.bits = options.bits;
  rtn.group_size = options.group_size;
  EXPECT_TRUE(SameBytes(outcome.blocks[0].block, *QuantizeRtn(config_, block_, rtn)));
  EXPECT_EQ(outcome.zero_point_flips, 0);
}

TEST_F(TrainBlockTest, ZeroEpochsAreRoundToNearestWithItsLoss) {
  for (const bool ours : {true, false}) {
    TrainOptions options = Options();
    options.epochs = 0;
    options.range_contains_zero = options.fp16_scales = options.keep_best = ours;
    const TrainOutcome outcome = Train(options);
    RtnOptions rtn;
    rtn.bits = options.bits;
    rtn.group_size = options.group_size;
    rtn.range_contains_zero = rtn.fp16_scales = ours;
    EXPECT_TRUE(SameBytes(outcome.blocks[0].block, *QuantizeRtn(config_, block_, rtn)));
    EXPECT_EQ(outcome.steps, 0);
    EXPECT_EQ(outcome.epochs_trained, 0);
    EXPECT_EQ(outcome.final_val_loss, outcome.initial_val_loss);
    EXPECT_NEAR(ServedLoss(outcome.blocks[0].block), outcome.initial_val_loss, 1e-5 * outcome.initial_val_loss);
  }
}

TEST_F(TrainBlockTest, AccumulatedMicroBatchesTrainLikeTheWholeBatch) {
  TrainOptions options = Options();
  options.batch_size = 4;  // batches of 4, 4 and 2
  options.bits = 2;
  const TrainOutcome whole = Train(options);
  for (const int64_t steps : {2, 4}) {
    options.gradient_accumulation_steps = steps;
    const TrainOutcome parts = Train(options);
    ASSERT_EQ(parts.steps, whole.steps);
    for (int64_t i = 0; i < whole.steps; ++i) {
      EXPECT_NEAR(parts.train_losses[i], whole.train_losses[i], 1e-5 * whole.train_losses[i]) << "step " << i;
      EXPECT_NEAR(parts.grad_norms[i], whole.grad_norms[i], 1e-4 * whole.grad_norms[i]) << "step " << i;
    }
  }
}

TEST_F(TrainBlockTest, EqualInputsGiveEqualBytes) {
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    TrainOptions options = Options();
    options.execution.precision = precision;
    const TrainOutcome first = Train(options), second = Train(options);
    EXPECT_TRUE(SameBytes(first.blocks[0].block, second.blocks[0].block));
    EXPECT_EQ(first.train_losses, second.train_losses);
    EXPECT_EQ(first.grad_norms, second.grad_norms);
  }
}

TEST_F(TrainBlockTest, ATrainingThatGoesOnStartsWhereTheEarlierOneEnded) {
  for (const bool fp16_scales : {true, false}) {
    TrainOptions options = Options();
    options.keep_latent = true;
    options.fp16_scales = fp16_scales;
    const TrainOutcome first = Train(options);
    TrainInputs inputs = data_.inputs();
    inputs.start = {first.blocks[0].block};
    const auto second = TrainBlock(config_, {first.blocks[0].latent}, inputs, options, progress_, cancel_);
    ASSERT_TRUE(second.ok()) << second.status();
    EXPECT_EQ(second->initial_val_loss, first.final_val_loss);
    EXPECT_LE(second->final_val_loss, first.final_val_loss);
    EXPECT_LT(second->train_losses.front(), first.train_losses.front());

    options.epochs = 0;
    const auto nothing_more = TrainBlock(config_, {first.blocks[0].latent}, inputs, options, progress_, cancel_);
    ASSERT_TRUE(nothing_more.ok()) << nothing_more.status();
    EXPECT_TRUE(SameBytes(nothing_more->blocks[0].block, first.blocks[0].block));
  }
}

TEST_F(TrainBlockTest, GoingOnWithOtherBitsIsRefused) {
  TrainOptions options = Options();
  options.keep_latent = true;
  const TrainOutcome first = Train(options);
  TrainInputs inputs = data_.inputs();
  inputs.start = {first.blocks[0].block};
  options.bits = 4;
  EXPECT_EQ(TrainBlock(config_, {first.blocks[0].latent}, inputs, options, progress_, cancel_).status().message(),
            "the training to go on from has no self_attn.q_proj of 4 bits and groups of 16");
  inputs.start = {first.blocks[0].latent};
  EXPECT_EQ(TrainBlock(config_, {first.blocks[0].latent}, inputs, Options(), progress_, cancel_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(TrainBlockTest, Bf16LearnsAsWellAsFloat32) {
  TrainOptions options = Options();
  options.epochs = 4;
  const TrainOutcome exact = Train(options);
  options.execution.precision = Precision::kBF16;
  const TrainOutcome fast = Train(options);
  EXPECT_NE(fast.train_losses, exact.train_losses);
  EXPECT_NEAR(fast.final_val_loss, exact.final_val_loss, 0.05 * exact.final_val_loss);
}

TEST_F(TrainBlockTest, AnAbsurdLearningRateIsReportedAsDivergedWithThePlace) {
  TrainOptions options = Options();
  options.quant_lr = options.weight_lr = 1e6;
  options.epochs = 20;
  options.wd = 1e6;
  const TrainOutcome outcome = Train(options);
  ASSERT_TRUE(outcome.diverged);
  EXPECT_FALSE(std::isfinite(outcome.diverged->loss));
  EXPECT_EQ(outcome.diverged->step, outcome.steps);
  EXPECT_EQ(outcome.diverged->step, static_cast<int64_t>(outcome.train_losses.size()));
  EXPECT_GT(outcome.diverged->epoch, 0);
  EXPECT_TRUE(outcome.blocks.empty());
  for (const double loss : outcome.train_losses) EXPECT_TRUE(std::isfinite(loss));
}

TEST_F(TrainBlockTest, ANanInAnInputOrTargetDivergesAtItsStep) {
  const std::vector<std::pair<MemorySamples TrainingSet::*, int64_t>> places = {{&TrainingSet::train_in, 1},
                                                                                {&TrainingSet::train_target, 1},
                                                                                {&TrainingSet::val_in, 0},
                                                                                {&TrainingSet::val_target, 0}};
  for (const auto& [member, step] : places) {
    TrainBlockTest::SetUp();
    TrainingSet damaged = data_;
    at::Tensor all = AllOf(damaged.*member).clone();
    all[2][5][7] = kNaN;  // the third sample: the second batch
    damaged.*member = MemorySamples(DType::kF32, data_.train_in.sample_shape());
    ASSERT_TRUE((damaged.*member).Append(ToHostTensor(all)).ok());
    const auto outcome = TrainBlock(config_, {block_}, damaged.inputs(), Options(), nullptr, cancel_);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    ASSERT_TRUE(outcome->diverged);
    EXPECT_EQ(outcome->diverged->step, step);
    EXPECT_TRUE(outcome->blocks.empty());
  }
}

TEST_F(TrainBlockTest, ANanWeightDivergesBeforeTheFirstStep) {
  at::Tensor weight = RandomTensor({config_.hidden_size, config_.hidden_size}, 1);
  weight[3][4] = kNaN;
  block_.linears[LinearKind::kQ] = ToHostTensor(weight);
  const TrainOutcome outcome = Train(Options());
  ASSERT_TRUE(outcome.diverged);
  EXPECT_EQ(outcome.diverged->step, 0);
}

TEST_F(TrainBlockTest, ClippingBindsOnlyStepsWhoseGradientsAreLarger) {
  TrainOptions options = Options();
  const TrainOutcome free = Train(options);
  const auto [smallest, largest] = std::minmax_element(free.grad_norms.begin(), free.grad_norms.end());
  options.clip_grad = 1.01 * *largest;
  EXPECT_TRUE(SameBytes(Train(options).blocks[0].block, free.blocks[0].block));
  // Below every norm all steps are clipped. The first norm is measured before anything was, and is the same.
  options.clip_grad = 1e-3 * *smallest;
  const TrainOutcome clipped = Train(options);
  EXPECT_EQ(clipped.grad_norms.front(), free.grad_norms.front());
  EXPECT_NE(clipped.grad_norms.back(), free.grad_norms.back());
  EXPECT_FALSE(SameBytes(clipped.blocks[0].block, free.blocks[0].block));
}

TEST_F(TrainBlockTest, EachHalvingHalvesEveryLearningRate) {
  TrainOptions options = Options();
  options.lr_halvings = 3;
  const TrainOutcome halved = Train(options);
  options.lr_halvings = 0;
  options.quant_lr /= 8;
  options.weight_lr /= 8;
  EXPECT_EQ(halved.train_losses, Train(options).train_losses);
}

TEST_F(TrainBlockTest, CancelStopsBetweenMicroBatches) {
  int64_t calls = 0;
  progress_ = [&](const Progress& progress) {
    if (progress.stage == "train" && ++calls == 3) cancel_.cancelled = true;
  };
  TrainOptions options = Options();
  options.gradient_accumulation_steps = 2;
  const auto outcome = Try(options);
  EXPECT_EQ(outcome.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(calls, 3);
}

TEST_F(TrainBlockTest, ProgressCountsStepsAndValidationSamples) {
  std::vector<int64_t> steps, validated;
  progress_ = [&](const Progress& progress) {
    if (progress.stage == "train") {
      EXPECT_EQ(progress.steps, 5);
      EXPECT_TRUE(std::isfinite(progress.loss));
      steps.push_back(progress.step);
    } else {
      EXPECT_EQ(progress.stage, "validate");
      validated.push_back(progress.step);
    }
  };
  TrainOptions options = Options();
  options.epochs = 1;
  Train(options);
  EXPECT_THAT(steps, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(validated, ElementsAre(2, 4, 2, 4));
}

TEST_F(TrainBlockTest, EarlyStopEndsTrainingBeforeThePlan) {
  TrainOptions options = Options();
  options.quant_lr = options.weight_lr = 2e-2;
  options.min_lr_factor = 1;
  options.epochs = 30;
  options.early_stop = 2;
  options.early_stop_resets = false;
  const TrainOutcome outcome = Train(options);
  ASSERT_FALSE(outcome.diverged);
  EXPECT_TRUE(outcome.stopped_early);
  EXPECT_LT(outcome.steps, outcome.steps_planned);
  int failures = 0;
  double best = 1e6;
  for (const EpochStats& epoch : outcome.epochs) {
    failures += epoch.val_loss >= best;
    best = std::min(best, epoch.val_loss);
  }
  EXPECT_EQ(failures, 2);
}

TEST_F(TrainBlockTest, FrozenGroupsKeepTheirValues) {
  TrainOptions options = Options();
  options.weight_lr = 0;
  options.keep_best = false;
  const TrainOutcome quant_only = Train(options);
  EXPECT_TRUE(SameBytes(quant_only.blocks[0].block.input_norm, block_.input_norm));
  options.weight_lr = 1e-3;
  options.quant_lr = 0;
  const TrainOutcome weight_only = Train(options);
  EXPECT_FALSE(SameBytes(weight_only.blocks[0].block.input_norm, block_.input_norm));
  options.epochs = 0;
  const TrainOutcome rtn = Train(options);
  for (const LinearKind kind : kAllLinears) {
    const auto& trained = std::get<QuantizedLinear>(weight_only.blocks[0].block.linears.at(kind));
    const auto& initial = std::get<QuantizedLinear>(rtn.blocks[0].block.linears.at(kind));
    EXPECT_TRUE(SameBytes(trained.scales, initial.scales));
    EXPECT_TRUE(SameBytes(trained.zeros, initial.zeros));
    EXPECT_FALSE(SameBytes(trained.codes, initial.codes));
  }
}

TEST_F(TrainBlockTest, ASeparateZeroPointRateMovesZeroPointsAndCountsTheFlips) {
  TrainOptions options = Options();
  options.bits = 2;
  options.keep_best = false;
  options.quant_lr = 1e-2;  // shrinking scales clip weights: only those pull at a zero point
  EXPECT_EQ(Train(options).zero_point_flips, 0);
  options.zp_lr = 0.2;
  const TrainOutcome outcome = Train(options);
  EXPECT_GT(outcome.zero_point_flips, 0);
  int64_t groups = 0;
  for (const LinearKind kind : kAllLinears) {
    groups += ShapeOf(config_, kind).out_features * ShapeOf(config_, kind).in_features / 16;
  }
  EXPECT_EQ(outcome.zero_points, groups);
  EXPECT_LT(outcome.zero_point_flips, groups);
}

TEST_F(TrainBlockTest, WithoutValidationSamplesTheLastStateIsKept) {
  data_ = RandomTrainingSet(config_, block_, 10, 0, 12, 90);
  const TrainOutcome outcome = Train(Options());
  EXPECT_TRUE(std::isnan(outcome.initial_val_loss));
  EXPECT_TRUE(std::isnan(outcome.final_val_loss));
  EXPECT_EQ(outcome.steps, 10);
  EXPECT_FALSE(outcome.blocks[0].block.linears.empty());
}

TEST_F(TrainBlockTest, Bf16SamplesTrainToo) {
  const auto narrowed = [](const MemorySamples& samples) {
    MemorySamples narrow(DType::kBF16, samples.sample_shape());
    LWQ_CHECK(narrow.Append(ToHostTensor(AllOf(samples).to(at::kBFloat16))).ok());
    return narrow;
  };
  data_ = {narrowed(data_.train_in), narrowed(data_.train_target), narrowed(data_.val_in), narrowed(data_.val_target)};
  const TrainOutcome outcome = Train(Options());
  EXPECT_LT(outcome.final_val_loss, outcome.initial_val_loss);
}

TEST_F(TrainBlockTest, ATrainingStepNeedsNothingOfTheCpu) {
  TrainOptions options = Options();
  UnitTrainer trainer(config_, {block_}, options, 12, at::kMeta);
  const at::Tensor samples = at::Tensor(RandomTensor({2, 12, config_.hidden_size}, 1)).to(at::kMeta);
  const at::Tensor loss = trainer.Accumulate(samples, samples, 0.5);
  EXPECT_EQ(loss.device().type(), at::kMeta);
  for (const auto& parameter : trainer.blocks()[0].parameters()) {
    EXPECT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
  }
  trainer.Step({.quant = 1e-3, .zero_point = 1e-3, .weight = 1e-3});
}

TEST_F(TrainBlockTest, RequestsThatCannotMeanAnythingAreRefusedByName) {
  const std::vector<std::pair<std::function<void(TrainOptions&)>, const char*>> cases = {
      {[](TrainOptions& o) { o.bits = 7; }, "bits"},
      {[](TrainOptions& o) { o.group_size = 5; }, "group_size"},
      {[](TrainOptions& o) { o.group_size = 0; }, "group_size"},
      {[](TrainOptions& o) { o.epochs = kNaN; }, "epochs"},
      {[](TrainOptions& o) { o.epochs = -1; }, "epochs"},
      {[](TrainOptions& o) { o.epochs = 1e12; }, "epochs"},
      {[](TrainOptions& o) { o.batch_size = 0; }, "batch_size"},
      {[](TrainOptions& o) { o.gradient_accumulation_steps = 3; }, "gradient_accumulation_steps"},
      {[](TrainOptions& o) { o.gradient_accumulation_steps = 0; }, "gradient_accumulation_steps"},
      {[](TrainOptions& o) { o.quant_lr = -1; }, "quant_lr"},
      {[](TrainOptions& o) { o.zp_lr = std::numeric_limits<double>::infinity(); }, "zp_lr"},
      {[](TrainOptions& o) { o.quant_lr = o.weight_lr = 0; }, "nothing would be trained"},
      {[](TrainOptions& o) { o.min_lr_factor = 0; }, "min_lr_factor"},
      {[](TrainOptions& o) { o.lr_halvings = -1; }, "lr_halvings"},
      {[](TrainOptions& o) { o.execution.device = "abacus"; }, "abacus"},
  };
  for (const auto& [spoil, name] : cases) {
    TrainOptions options = Options();
    spoil(options);
    const auto outcome = Try(options);
    EXPECT_EQ(outcome.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(outcome.status().message()), HasSubstr(name));
  }
}

TEST_F(TrainBlockTest, SamplesThatDoNotFitAreRefused) {
  const auto code = [&](TrainInputs inputs) {
    return TrainBlock(config_, {block_}, inputs, Options(), nullptr, cancel_).status().code();
  };
  TrainInputs inputs = data_.inputs();
  inputs.val_in = nullptr;
  EXPECT_EQ(code(inputs), absl::StatusCode::kInvalidArgument);
  inputs = data_.inputs();
  inputs.train_target = &data_.val_target;  // another number of samples
  EXPECT_EQ(code(inputs), absl::StatusCode::kInvalidArgument);
  MemorySamples short_samples = RandomSamples(config_, 10, 6, 1);
  inputs = data_.inputs();
  inputs.train_in = &short_samples;
  EXPECT_EQ(code(inputs), absl::StatusCode::kInvalidArgument);
  MemorySamples halves(DType::kF16, data_.val_in.sample_shape());
  inputs = data_.inputs();
  inputs.val_in = inputs.val_target = &halves;
  EXPECT_EQ(code(inputs), absl::StatusCode::kInvalidArgument);
  LlamaConfig wider = RandomConfig({.hidden = 64});
  EXPECT_EQ(TrainBlock(wider, {block_}, data_.inputs(), Options(), nullptr, cancel_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(TrainBlockTest, ABlockOfAnotherModelIsRefused) {
  block_.linears[LinearKind::kUp] = RandomHostTensor({5, config_.hidden_size}, 1);
  const auto outcome = Try(Options());
  EXPECT_EQ(outcome.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(outcome.status().message()), HasSubstr("mlp.up_proj"));
}

}  // namespace
}  // namespace lwq::qat
