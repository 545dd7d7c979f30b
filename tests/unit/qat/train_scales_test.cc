// SPDX-License-Identifier: Apache-2.0
// E2E-QP: gradients of scales against autograd through the whole model, and what a segment changes and leaves alone.
#include "worker/qat/api/train_scales.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/llama_model.h"
#include "worker/qat/model/load_block.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kWindows = 5;
constexpr int64_t kSeqlen = 12;

class TrainScalesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int64_t k = 0; k < config_.num_hidden_layers; ++k) {
      const StatusOr<BlockState> block =
          QuantizeRtn(config_, RandomBlock(config_, 3 + 10 * static_cast<uint64_t>(k)), {.bits = 2, .group_size = 16});
      ASSERT_TRUE(block.ok()) << block.status();
      blocks_.push_back(*block);
    }
    const StatusOr<ScaleState> start = InitialScaleState(config_, blocks_);
    ASSERT_TRUE(start.ok()) << start.status();
    start_ = *start;
    options_.steps = options_.total_steps = 6;
    options_.batch_size = 2;
    options_.lr = 1e-3;
    options_.warmup_ratio = 0.2;
    options_.clip_grad = 0.3;
    options_.scratch_directory = ::testing::TempDir();
  }

  StatusOr<TrainScalesOutcome> Try(const ScaleState& state, const TrainScalesOptions& options) {
    return TrainScales(config_, head_, blocks_, state, train_, validation_, options, nullptr, cancel_);
  }
  TrainScalesOutcome Train(const ScaleState& state, const TrainScalesOptions& options) {
    StatusOr<TrainScalesOutcome> outcome = Try(state, options);
    LWQ_CHECK(outcome.ok(), outcome.status().ToString());
    return *std::move(outcome);
  }
  std::vector<BlockState> Served(const ScaleState& state) {
    StatusOr<std::vector<BlockState>> blocks = WithTrainedScales(blocks_, state, options_.fp16_scales);
    LWQ_CHECK(blocks.ok(), blocks.status().ToString());
    return *std::move(blocks);
  }

  // The mean loss of the windows with every scale a leaf of autograd, by block and linear.
  struct Autograd {
    at::Tensor loss;
    std::vector<std::vector<at::Tensor>> scales;
  };
  Autograd Record(const at::Tensor& ids) {
    LlamaModel model{.config = config_,
                     .embedding = ToTensor(head_.embedding, at::kFloat, at::kCPU),
                     .blocks = {},
                     .final_norm = ToTensor(head_.final_norm, at::kFloat, at::kCPU),
                     .lm_head = ToTensor(head_.lm_head, at::kFloat, at::kCPU)};
    Autograd record;
    for (const BlockState& block : blocks_) {
      BlockTensors tensors = LoadBlock(config_, block, at::kFloat, at::kCPU);
      std::vector<at::Tensor>& scales = record.scales.emplace_back();
      for (const LinearKind kind : kAllLinears) {
        const auto& linear = std::get<QuantizedLinear>(block.linears.at(kind));
        const at::Tensor codes = ToTensor(linear.codes, at::kFloat, at::kCPU).view({-1, linear.group_size});
        const at::Tensor zeros = ToTensor(linear.zeros, at::kFloat, at::kCPU).view({-1, 1});
        scales.push_back(ToTensor(linear.scales, at::kFloat, at::kCPU).view({-1, 1}).set_requires_grad(true));
        tensors[kind] = codes.sub(zeros).mul(scales.back()).view({linear.out_features, linear.in_features});
      }
      model.blocks.push_back(tensors);
    }
    record.loss = NextTokenLoss(model.Forward(ids), ids).mean();
    return record;
  }

  LlamaConfig config_ = RandomConfig({.layers = 3});
  std::vector<BlockState> blocks_;
  HeadWeights head_{RandomHostTensor({config_.vocab_size, config_.hidden_size}, 50),
                    RandomHostTensor({config_.hidden_size}, 51),
                    RandomHostTensor({config_.vocab_size, config_.hidden_size}, 52)};
  MemorySamples train_ = RandomTokens(config_, kWindows, kSeqlen, 60);
  MemorySamples validation_ = RandomTokens(config_, 2, kSeqlen, 61);
  ScaleState start_;
  TrainScalesOptions options_;
  CancelToken cancel_;
};

TEST_F(TrainScalesTest, LossAndGradientsOfABatchAreThoseOfAutogradThroughTheWholeModel) {
  // The second batch, and the last one, which has a single window.
  for (const auto& [step, first, count] : {std::tuple{1, 2, 2}, std::tuple{2, 4, 1}}) {
    ScaleState state = start_;
    state.steps = step;
    const StatusOr<ScaleGradients> ours = GradientsOfScales(config_, head_, blocks_, state, train_, options_);
    ASSERT_TRUE(ours.ok()) << ours.status();
    const Autograd record = Record(ToTensor(*train_.Read(first, count), at::kLong, at::kCPU));
    EXPECT_NEAR(ours->loss, record.loss.item<double>(), 1e-5 * ours->loss);
    for (size_t k = 0; k < record.scales.size(); ++k) {
      std::vector<at::Tensor> wanted =
          torch::autograd::grad({record.loss}, record.scales[k], {}, /*retain_graph=*/true);
      for (at::Tensor& gradient : wanted) gradient = gradient.flatten();
      const at::Tensor whole = at::cat(wanted);
      const at::Tensor found = ToTensor(ours->blocks[k], at::kFloat, at::kCPU);
      ASSERT_EQ(found.sizes(), whole.sizes());
      EXPECT_LE(found.sub(whole).norm().item<double>(), 1e-4 * whole.norm().item<double>()) << "block " << k;
    }
  }
}

TEST_F(TrainScalesTest, ManySegmentsOfOneStepMakeTheBytesOfOneSegment) {
  const TrainScalesOutcome whole = Train(start_, options_);
  TrainScalesOptions one = options_;
  one.steps = 1;
  ScaleState state = start_;
  std::vector<double> losses;
  for (int64_t step = 0; step < options_.steps; ++step) {
    TrainScalesOutcome outcome = Train(state, one);
    losses.push_back(outcome.train_losses.at(0));
    state = std::move(outcome.state);
  }
  EXPECT_EQ(losses, whole.train_losses);
  ASSERT_EQ(state.steps, whole.state.steps);
  for (size_t k = 0; k < state.blocks.size(); ++k) {
    EXPECT_TRUE(SameBytes(state.blocks[k].scales, whole.state.blocks[k].scales)) << k;
    EXPECT_TRUE(SameBytes(state.blocks[k].exp_avg, whole.state.blocks[k].exp_avg)) << k;
    EXPECT_TRUE(SameBytes(state.blocks[k].exp_avg_sq, whole.state.blocks[k].exp_avg_sq)) << k;
  }
}

TEST_F(TrainScalesTest, ScalesMoveAndNothingElseChangesByAByte) {
  const std::vector<BlockState> trained = Served(Train(start_, options_).state);
  for (size_t k = 0; k < blocks_.size(); ++k) {
    BlockState back = trained[k];
    for (const LinearKind kind : kAllLinears) {
      const auto& before = std::get<QuantizedLinear>(blocks_[k].linears.at(kind));
      auto& after = std::get<QuantizedLinear>(back.linears.at(kind));
      EXPECT_FALSE(SameBytes(after.scales, before.scales)) << LinearName(kind) << " of block " << k;
      EXPECT_TRUE(SameBytes(after.codes, before.codes)) << LinearName(kind) << " of block " << k;
      EXPECT_TRUE(SameBytes(after.zeros, before.zeros)) << LinearName(kind) << " of block " << k;
      const at::Tensor scales = ToTensor(after.scales, at::kFloat, at::kCPU);
      EXPECT_TRUE(scales.equal(scales.to(at::kHalf).to(at::kFloat))) << "no fp16 numbers";
      after.scales = before.scales;
    }
    EXPECT_TRUE(SameBytes(back, blocks_[k])) << "block " << k;
  }
}

TEST_F(TrainScalesTest, UntrainedScalesAreThoseOfTheBlocks) {
  const std::vector<BlockState> served = Served(start_);
  for (size_t k = 0; k < blocks_.size(); ++k) EXPECT_TRUE(SameBytes(served[k], blocks_[k])) << "block " << k;
}

TEST_F(TrainScalesTest, TrainingLowersItsLossInEitherPrecision) {
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    TrainScalesOptions options = options_;
    options.execution.precision = precision;
    options.steps = options.total_steps = 60;
    options.validates_first = true;
    const TrainScalesOutcome outcome = Train(start_, options);
    const auto epoch = [&](size_t first) {
      return outcome.train_losses.at(first) + outcome.train_losses.at(first + 1) + outcome.train_losses.at(first + 2);
    };
    EXPECT_LT(epoch(57), 0.99 * epoch(0));
    EXPECT_TRUE(std::isfinite(outcome.initial_val_loss));
    EXPECT_NE(outcome.final_val_loss, outcome.initial_val_loss);
  }
}

TEST_F(TrainScalesTest, AClippedStepMovesScalesByLessAndReportsTheNormBefore) {
  options_.steps = 1;
  const auto moved = [&](double clip_grad, double* norm) {
    TrainScalesOptions options = options_;
    options.clip_grad = clip_grad;
    const TrainScalesOutcome outcome = Train(start_, options);
    *norm = outcome.grad_norms.at(0);
    return ToTensor(outcome.state.blocks[0].scales, at::kDouble, at::kCPU)
        .sub(ToTensor(start_.blocks[0].scales, at::kDouble, at::kCPU))
        .norm()
        .item<double>();
  };
  double free_norm = 0, clipped_norm = 0;
  const double freely = moved(0, &free_norm);
  // So little that AdamW's eps is what it is divided by.
  const double clipped = moved(1e-9, &clipped_norm);
  EXPECT_EQ(free_norm, clipped_norm);
  EXPECT_LT(clipped, 0.2 * freely);
  EXPECT_GT(clipped, 0);
}

TEST_F(TrainScalesTest, TheLearningRateRisesToItsValueAndFallsAsACosine) {
  EXPECT_DOUBLE_EQ(ScaleLearningRate(2, 0.2, 0, 10), 1);
  EXPECT_DOUBLE_EQ(ScaleLearningRate(2, 0.2, 1, 10), 2);
  EXPECT_DOUBLE_EQ(ScaleLearningRate(2, 0.2, 2, 10), 2);
  EXPECT_DOUBLE_EQ(ScaleLearningRate(2, 0.2, 6, 10), 1);
  EXPECT_DOUBLE_EQ(ScaleLearningRate(2, 0, 0, 4), 2);
  for (int64_t step = 0; step < 7; ++step) EXPECT_GT(ScaleLearningRate(2, 1, step, 7), 0) << step;
}

TEST_F(TrainScalesTest, HalvingsHalveTheRate) {
  options_.steps = 1;
  TrainScalesOptions halved = options_;
  halved.lr_halvings = 1;
  TrainScalesOptions lower = options_;
  lower.lr = options_.lr / 2;
  EXPECT_TRUE(SameBytes(Train(start_, halved).state.blocks[0].scales, Train(start_, lower).state.blocks[0].scales));
}

TEST_F(TrainScalesTest, ALossThatIsNoNumberIsADivergenceAndLeavesNoState) {
  head_.final_norm = ToHostTensor(at::full({config_.hidden_size}, std::numeric_limits<float>::infinity()));
  const TrainScalesOutcome outcome = Train(start_, options_);
  ASSERT_TRUE(outcome.diverged.has_value());
  EXPECT_EQ(outcome.diverged->step, 0);
  EXPECT_FALSE(std::isfinite(outcome.diverged->loss));
  EXPECT_TRUE(outcome.state.blocks.empty());
}

TEST_F(TrainScalesTest, BadInputIsOneLineThatNamesIt) {
  const auto refused = [&](const Status& status, const char* what) {
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  };
  TrainScalesOptions options = options_;
  options.steps = 7;
  refused(Try(start_, options).status(), "steps 0 to 6 of E2E-QP are not among 6");
  options = options_;
  options.lr = std::numeric_limits<double>::quiet_NaN();
  refused(Try(start_, options).status(), "does not exist");
  ScaleState other = start_;
  other.blocks.pop_back();
  refused(Try(other, options_).status(), "does not fit the blocks");
  const MemorySamples windows = train_;
  train_ = RandomTokens(config_, 0, kSeqlen, 60);
  refused(Try(start_, options_).status(), "no token windows");
  train_ = RandomTokens(config_, 2, kSeqlen + 1, 60);
  refused(Try(start_, options_).status(), "different lengths");
  train_ = windows;
  blocks_[1].linears[LinearKind::kUp] = RandomHostTensor({config_.intermediate_size, config_.hidden_size}, 1);
  refused(Try(start_, options_).status(), "block 1 has no quantized mlp.up_proj");
  refused(InitialScaleState(config_, blocks_).status(), "block 1 has no quantized mlp.up_proj");
}

TEST_F(TrainScalesTest, ACancelledSegmentStops) {
  cancel_.cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(Try(start_, options_).status()));
}

}  // namespace
}  // namespace lwq::qat
