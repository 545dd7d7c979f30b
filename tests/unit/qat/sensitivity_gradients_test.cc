// SPDX-License-Identifier: Apache-2.0
// Streamed losses and gradients against autograd through the whole model at once.
#include <torch/csrc/autograd/autograd.h>

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "tests/unit/qat/stream_boundaries.h"
#include "worker/qat/api/sensitivity.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/llama_model.h"
#include "worker/qat/model/load_block.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

class SensitivityGradientsTest : public ::testing::Test {
 protected:
  static constexpr int64_t kSamples = 3;
  static constexpr int64_t kSeqlen = 12;

  // The whole model with autograd's record from every boundary on.
  struct Autograd {
    std::vector<at::Tensor> boundaries;  // A(k) [samples, seqlen, hidden]
    std::vector<BlockTensors> blocks;
    at::Tensor losses;  // [samples]
  };
  Autograd Record() {
    Autograd record;
    for (const BlockState& block : blocks_) {
      record.blocks.push_back(LoadBlock(config_, block, at::kFloat, at::kCPU));
      for (const at::Tensor& weight : record.blocks.back().linears) weight.set_requires_grad(true);
    }
    const SequenceTables tables = MakeSequenceTables(config_, kSeqlen, at::kCPU);
    const HeadTensors head = LoadHead(config_, head_, at::kFloat, at::kCPU);
    record.boundaries.push_back(AllOf(streamed_.activations[0]).set_requires_grad(true));
    for (const BlockTensors& block : record.blocks) {
      record.boundaries.push_back(BlockForward(config_, block, tables, record.boundaries.back()));
    }
    const at::Tensor ids = ToTensor(*tokens_.Read(0, kSamples), at::kLong, at::kCPU);
    record.losses = NextTokenLoss(Logits(config_, head.final_norm, head.lm_head, record.boundaries.back()), ids);
    return record;
  }
  static double RelativeError(const at::Tensor& ours, const at::Tensor& wanted) {
    return ours.sub(wanted).norm().item<double>() / wanted.norm().item<double>();
  }
  StatusOr<std::vector<double>> Losses(MemorySamples activations, MemorySamples tokens) {
    MemorySamples out(DType::kF32, {kSeqlen, config_.hidden_size});
    return LossGradient(config_, head_, activations, tokens, out, {}, progress_, cancel_);
  }
  StatusOr<BlockGradients> Backward(MemorySamples activations, MemorySamples gradients) {
    return BackwardBlock(config_, blocks_[1], activations, gradients, nullptr, false, {}, progress_, cancel_);
  }

  LlamaConfig config_ = RandomConfig({.layers = 3});
  std::vector<BlockState> blocks_ = {RandomBlock(config_, 3), RandomBlock(config_, 30), RandomBlock(config_, 300)};
  HeadWeights head_{RandomHostTensor({config_.vocab_size, config_.hidden_size}, 50),
                    RandomHostTensor({config_.hidden_size}, 51),
                    RandomHostTensor({config_.vocab_size, config_.hidden_size}, 52)};
  MemorySamples tokens_ = RandomTokens(config_, kSamples, kSeqlen, 60);
  Boundaries streamed_ = StreamBoundaries(config_, head_, blocks_, tokens_);
  ProgressSink progress_;
  CancelToken cancel_;
};

TEST_F(SensitivityGradientsTest, LossesAndBoundaryGradientsAreThoseOfTheWholeModel) {
  const Autograd record = Record();
  for (int64_t i = 0; i < kSamples; ++i) {
    const double wanted = record.losses[i].item<double>();
    EXPECT_NEAR(streamed_.losses[i], wanted, 1e-5 * wanted);
  }
  const auto gradients = torch::autograd::grad({record.losses.sum()}, record.boundaries);
  for (size_t k = 0; k < gradients.size(); ++k) {
    EXPECT_LE(RelativeError(AllOf(streamed_.gradients[k]), gradients[k]), 1e-4) << "boundary " << k;
  }
}

TEST_F(SensitivityGradientsTest, WeightGradientsOfEverySampleAndTheirSumAreThoseOfTheWholeModel) {
  const Autograd record = Record();
  for (size_t k = 0; k < blocks_.size(); ++k) {
    const std::vector<at::Tensor> weights(record.blocks[k].linears.begin(), record.blocks[k].linears.end());
    for (int64_t i = 0; i < kSamples; ++i) {
      double wanted = 0;
      for (const at::Tensor& gradient : torch::autograd::grad({record.losses[i]}, weights, {}, /*retain_graph=*/true)) {
        wanted += gradient.to(at::kDouble).pow(2).sum().item<double>();
      }
      EXPECT_NEAR(streamed_.blocks[k].squared_norms[i], wanted, 1e-4 * wanted) << "block " << k << ", sample " << i;
    }
    const auto sums = torch::autograd::grad({record.losses.sum()}, weights, {}, /*retain_graph=*/true);
    ASSERT_EQ(streamed_.blocks[k].sum.size(), std::size(kAllLinears));
    for (const LinearKind kind : kAllLinears) {
      const at::Tensor ours = ToTensor(streamed_.blocks[k].sum.at(kind), at::kFloat, at::kCPU);
      EXPECT_LE(RelativeError(ours, sums[static_cast<size_t>(kind)]), 1e-4) << LinearName(kind);
    }
  }
}

TEST_F(SensitivityGradientsTest, ASampleHasTheSameBitsInWhicheverShardItLies) {
  for (int64_t first = 0; first < kSamples; ++first) {
    MemorySamples gradients(DType::kF32, {kSeqlen, config_.hidden_size});
    MemorySamples activations = Part(streamed_.activations[3], first, 1);
    MemorySamples tokens = Part(tokens_, first, 1);
    const auto losses = LossGradient(config_, head_, activations, tokens, gradients, {}, nullptr, cancel_);
    ASSERT_TRUE(losses.ok()) << losses.status();
    EXPECT_EQ(losses->at(0), streamed_.losses[first]);
    EXPECT_TRUE(AllOf(gradients)[0].equal(AllOf(streamed_.gradients[3])[first]));
    MemorySamples in = Part(streamed_.activations[2], first, 1);
    MemorySamples out(DType::kF32, in.sample_shape());
    const auto found =
        BackwardBlock(config_, blocks_[2], in, gradients, &out, /*sum_gradients=*/false, {}, nullptr, cancel_);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->squared_norms.at(0), streamed_.blocks[2].squared_norms[first]);
    EXPECT_TRUE(found->sum.empty());
    EXPECT_TRUE(AllOf(out)[0].equal(AllOf(streamed_.gradients[2])[first]));
  }
}

TEST_F(SensitivityGradientsTest, TheComputationIsFloat32WhateverThePrecisionSays) {
  SensitivityOptions bf16;
  bf16.execution.precision = Precision::kBF16;
  const Boundaries again = StreamBoundaries(config_, head_, blocks_, tokens_, bf16);
  EXPECT_EQ(again.losses, streamed_.losses);
  for (size_t k = 0; k < blocks_.size(); ++k) {
    EXPECT_EQ(again.blocks[k].squared_norms, streamed_.blocks[k].squared_norms);
  }
}

TEST_F(SensitivityGradientsTest, WithoutASinkTheNormsAreTheSame) {
  const auto found = Backward(streamed_.activations[1], streamed_.gradients[2]);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->squared_norms, streamed_.blocks[1].squared_norms);
}

TEST_F(SensitivityGradientsTest, ProgressCountsSamplesAndACancelledCallStopsBetweenTwo) {
  std::vector<int64_t> steps;
  progress_ = [&](const Progress& progress) {
    EXPECT_EQ(progress.stage, "sensitivity");
    EXPECT_EQ(progress.steps, kSamples);
    steps.push_back(progress.step);
    if (progress.step == 2) cancel_.cancelled = true;
  };
  EXPECT_TRUE(absl::IsCancelled(Losses(streamed_.activations[3], tokens_).status()));
  EXPECT_EQ(steps, (std::vector<int64_t>{1, 2}));
  cancel_.cancelled = false;
  EXPECT_TRUE(absl::IsCancelled(Backward(streamed_.activations[1], streamed_.gradients[2]).status()));
  EXPECT_EQ(steps, (std::vector<int64_t>{1, 2, 1, 2}));
}

TEST_F(SensitivityGradientsTest, SetsThatDoNotFitTogetherAreRefused) {
  const MemorySamples& in = streamed_.activations[3];
  EXPECT_TRUE(absl::IsInvalidArgument(Losses(in, Part(tokens_, 0, 2)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Losses(in, RandomTokens(config_, kSamples, kSeqlen - 1, 1)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Losses(Part(in, 0, 0), Part(tokens_, 0, 0)).status()));
  const LlamaConfig wide = RandomConfig({.hidden = 64});
  EXPECT_TRUE(absl::IsInvalidArgument(Losses(RandomSamples(wide, kSamples, kSeqlen, 1), tokens_).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Backward(in, Part(streamed_.gradients[2], 0, 2)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Backward(in, RandomSamples(config_, kSamples, kSeqlen - 1, 1)).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(Backward(RandomSamples(config_, 1, 1, 1), RandomSamples(config_, 1, 1, 1)).status()));
}

TEST_F(SensitivityGradientsTest, TokensOfAnotherVocabularyAndAForeignHeadAreRefusedByName) {
  const LlamaConfig larger = RandomConfig({.vocab = std::numeric_limits<int32_t>::max()});
  const Status status = Losses(streamed_.activations[3], RandomTokens(larger, kSamples, kSeqlen, 1)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("outside the vocabulary"));
  head_.lm_head = RandomHostTensor({config_.vocab_size - 1, config_.hidden_size}, 1);
  EXPECT_THAT(std::string(Losses(streamed_.activations[3], tokens_).status().message()), HasSubstr("lm_head"));
}

TEST(HeadLossTest, ALargeVocabularyTakenInSlicesHasTheLossAndDerivativesOfTheWhole) {
  constexpr int64_t kTokens = 80;
  const LlamaConfig config = RandomConfig({.hidden = 16, .heads = 2, .vocab = 60000});  // 69 rows fit a slice
  ASSERT_LT(kLogitElements, (kTokens - 1) * config.vocab_size);
  const HeadTensors head{RandomTensor({config.hidden_size}, 51),
                         RandomTensor({config.vocab_size, config.hidden_size}, 52)};
  const at::Tensor hidden = RandomTensor({kTokens, config.hidden_size}, 53).set_requires_grad(true);
  const at::Tensor direction = RandomTensor({kTokens, config.hidden_size}, 54);
  MemorySamples tokens = RandomTokens(config, 1, kTokens, 55);
  const at::Tensor ids = ToTensor(*tokens.Read(0, 1), at::kLong, at::kCPU);
  const at::Tensor loss = NextTokenLoss(Logits(config, head.final_norm, head.lm_head, hidden).unsqueeze(0), ids);
  const auto gradient = torch::autograd::grad({loss.sum()}, {hidden}, {}, /*retain_graph=*/true, /*create_graph=*/true);
  const auto product = torch::autograd::grad(gradient, {hidden}, {direction});

  const double wanted = loss.item<double>();
  EXPECT_NEAR(SampleLoss(config, head, hidden, ids[0]), wanted, 1e-5 * wanted);
  const LossAndGradient found = SampleLossGradient(config, head, hidden, ids[0]);
  EXPECT_EQ(found.loss, SampleLoss(config, head, hidden, ids[0]));
  const auto close = [](const at::Tensor& ours, const at::Tensor& theirs) {
    return ours.sub(theirs).norm().item<double>() <= 1e-4 * theirs.norm().item<double>();
  };
  EXPECT_TRUE(close(found.gradient, gradient[0].detach()));
  EXPECT_EQ(found.gradient[kTokens - 1].abs().max().item<double>(), 0.0) << "the last token predicts nothing";
  EXPECT_TRUE(close(SampleLossHessianProduct(config, head, hidden, ids[0], direction), product[0]));
}

}  // namespace
}  // namespace lwq::qat
