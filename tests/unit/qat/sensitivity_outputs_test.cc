// SPDX-License-Identifier: Apache-2.0
// What a change of one block does to its output and to the loss, against the definition on the whole model; and to its
// weights.
#include <c10/core/GradMode.h>

#include <filesystem>

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

using Candidates = std::vector<std::function<StatusOr<BlockState>()>>;

class SensitivityOutputsTest : public ::testing::Test {
 protected:
  static constexpr int64_t kSamples = 3;
  static constexpr int64_t kSeqlen = 12;
  static constexpr int64_t kBlock = 1;

  void SetUp() override { std::filesystem::create_directories(options_.scratch_directory); }
  void TearDown() override { std::filesystem::remove_all(options_.scratch_directory); }

  BlockState Rounded(int bits) {
    const auto rounded = QuantizeRtn(config_, blocks_[kBlock], {.bits = bits, .group_size = 16});
    LWQ_CHECK(rounded.ok(), rounded.status().ToString());
    return *rounded;
  }
  Candidates CandidatesOf(std::vector<BlockState> states) {
    Candidates candidates;
    for (BlockState& state : states) {
      candidates.push_back([state = std::move(state)]() -> StatusOr<BlockState> { return state; });
    }
    return candidates;
  }
  StatusOr<std::vector<double>> Fisher(const Candidates& candidates, MemorySamples activations,
                                       MemorySamples gradients) {
    return OutputFisher(config_, blocks_[kBlock], candidates, activations, gradients, options_, progress_, cancel_);
  }
  StatusOr<LossDeltaResult> Delta(const Candidates& candidates, MemorySamples activations, MemorySamples tokens) {
    return LossDelta(config_, head_, kBlock, LoadFrom(blocks_), candidates, activations, tokens, options_, progress_,
                     cancel_);
  }
  // Σ l_i of the whole model at once.
  double LossSum(const std::vector<BlockState>& blocks) {
    const c10::NoGradGuard no_grad;
    const HeadTensors head = LoadHead(config_, head_, at::kFloat, at::kCPU);
    LlamaModel model{config_, ToTensor(head_.embedding, at::kFloat, at::kCPU), {}, head.final_norm, head.lm_head};
    for (const BlockState& block : blocks) model.blocks.push_back(LoadBlock(config_, block, at::kFloat, at::kCPU));
    const at::Tensor ids = ToTensor(*tokens_.Read(0, kSamples), at::kLong, at::kCPU);
    return NextTokenLoss(model.Forward(ids), ids).sum().item<double>();
  }

  LlamaConfig config_ = RandomConfig({.layers = 4});
  std::vector<BlockState> blocks_ = {RandomBlock(config_, 3), RandomBlock(config_, 30), RandomBlock(config_, 300),
                                     RandomBlock(config_, 3000)};
  HeadWeights head_{RandomHostTensor({config_.vocab_size, config_.hidden_size}, 50),
                    RandomHostTensor({config_.hidden_size}, 51),
                    RandomHostTensor({config_.vocab_size, config_.hidden_size}, 52)};
  MemorySamples tokens_ = RandomTokens(config_, kSamples, kSeqlen, 60);
  Boundaries streamed_ = StreamBoundaries(config_, head_, blocks_, tokens_);
  SensitivityOptions options_{.execution = {}, .scratch_directory = ::testing::TempDir() + "lwq_sensitivity_outputs"};
  ProgressSink progress_;
  CancelToken cancel_;
};

TEST_F(SensitivityOutputsTest, OutputFisherIsTheSquaredProductOfGradientAndOutputError) {
  const c10::NoGradGuard no_grad;
  const SequenceTables tables = MakeSequenceTables(config_, kSeqlen, at::kCPU);
  const at::Tensor in = AllOf(streamed_.activations[kBlock]);
  const auto output = [&](const BlockState& state) {
    return BlockForward(config_, LoadBlock(config_, state, at::kFloat, at::kCPU), tables, in).to(at::kDouble);
  };
  const auto found =
      Fisher(CandidatesOf({Rounded(2), Rounded(4)}), streamed_.activations[kBlock], streamed_.gradients[kBlock + 1]);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const at::Tensor error = output(Rounded(i == 0 ? 2 : 4)).sub(output(blocks_[kBlock]));
    const double wanted = AllOf(streamed_.gradients[kBlock + 1]).mul(error).pow(2).sum().item<double>();
    EXPECT_NEAR(found->at(i), wanted, 1e-4 * wanted);
  }
  EXPECT_GT(found->at(0), found->at(1));
}

TEST_F(SensitivityOutputsTest, LossDeltaIsTheLossOfTheWholeModelWithOneBlockReplaced) {
  std::vector<BlockState> replaced = blocks_;
  const auto found = Delta(CandidatesOf({Rounded(2), Rounded(3)}), streamed_.activations[kBlock], tokens_);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_NEAR(found->loss_sum, LossSum(blocks_), 1e-5 * found->loss_sum);
  ASSERT_EQ(found->loss_sums.size(), 2u);
  for (const int bits : {2, 3}) {
    replaced[kBlock] = Rounded(bits);
    const double wanted = LossSum(replaced);
    EXPECT_NEAR(found->loss_sums[bits - 2], wanted, 1e-5 * wanted);
    EXPECT_NE(found->loss_sums[bits - 2], found->loss_sum);
  }
}

TEST_F(SensitivityOutputsTest, ACandidateThatIsTheBlockItselfChangesNothingAtAll) {
  const Candidates itself = CandidatesOf({blocks_[kBlock]});
  const auto fisher = Fisher(itself, streamed_.activations[kBlock], streamed_.gradients[kBlock + 1]);
  ASSERT_TRUE(fisher.ok()) << fisher.status();
  EXPECT_EQ(fisher->at(0), 0.0);
  const auto delta = Delta(itself, streamed_.activations[kBlock], tokens_);
  ASSERT_TRUE(delta.ok()) << delta.status();
  EXPECT_EQ(delta->loss_sums.at(0), delta->loss_sum);
}

TEST_F(SensitivityOutputsTest, SumsOfShardsAddUpToTheSumOfAll) {
  const Candidates candidates = CandidatesOf({Rounded(2)});
  const auto fisher = Fisher(candidates, streamed_.activations[kBlock], streamed_.gradients[kBlock + 1]);
  const auto delta = Delta(candidates, streamed_.activations[kBlock], tokens_);
  ASSERT_TRUE(fisher.ok() && delta.ok());
  double fisher_sum = 0, loss_sum = 0;
  for (int64_t i = 0; i < kSamples; ++i) {
    const MemorySamples in = Part(streamed_.activations[kBlock], i, 1);
    const auto shard_fisher = Fisher(candidates, in, Part(streamed_.gradients[kBlock + 1], i, 1));
    const auto shard_delta = Delta(candidates, in, Part(tokens_, i, 1));
    ASSERT_TRUE(shard_fisher.ok() && shard_delta.ok());
    fisher_sum += shard_fisher->at(0);
    loss_sum += shard_delta->loss_sums.at(0);
  }
  EXPECT_EQ(fisher_sum, fisher->at(0));
  EXPECT_EQ(loss_sum, delta->loss_sums.at(0));
}

TEST_F(SensitivityOutputsTest, NothingIsLeftInTheScratchDirectoryAndProgressEndsAtItsTotal) {
  Progress last;
  progress_ = [&](const Progress& progress) {
    EXPECT_TRUE(std::filesystem::is_empty(options_.scratch_directory));
    last = progress;
  };
  const Candidates candidates = CandidatesOf({Rounded(2), Rounded(3)});
  ASSERT_TRUE(Fisher(candidates, streamed_.activations[kBlock], streamed_.gradients[kBlock + 1]).ok());
  EXPECT_EQ(last.step, 9);
  EXPECT_EQ(last.steps, 9);
  ASSERT_TRUE(Delta(candidates, streamed_.activations[kBlock], tokens_).ok());
  EXPECT_EQ(last.step, 36);
  EXPECT_EQ(last.steps, 36);
}

TEST_F(SensitivityOutputsTest, CancelledCallsStopAndErrorsOfCandidatesPassThrough) {
  const Candidates lost = {[]() -> StatusOr<BlockState> { return absl::DataLossError("candidate"); }};
  EXPECT_TRUE(absl::IsDataLoss(Fisher(lost, streamed_.activations[kBlock], streamed_.gradients[kBlock + 1]).status()));
  EXPECT_TRUE(absl::IsDataLoss(Delta(lost, streamed_.activations[kBlock], tokens_).status()));
  progress_ = [&](const Progress& progress) { cancel_.cancelled = progress.step == 4; };
  const Candidates candidates = CandidatesOf({Rounded(2)});
  EXPECT_TRUE(
      absl::IsCancelled(Fisher(candidates, streamed_.activations[kBlock], streamed_.gradients[kBlock + 1]).status()));
  cancel_.cancelled = false;
  EXPECT_TRUE(absl::IsCancelled(Delta(candidates, streamed_.activations[kBlock], tokens_).status()));
}

TEST_F(SensitivityOutputsTest, WhatDoesNotFitIsRefused) {
  const Candidates none;
  EXPECT_TRUE(absl::IsInvalidArgument(
      Fisher(none, streamed_.activations[kBlock], Part(streamed_.gradients[kBlock], 0, 2)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Delta(none, streamed_.activations[kBlock], Part(tokens_, 0, 2)).status()));
  for (const int64_t block : {int64_t{-1}, config_.num_hidden_layers}) {
    EXPECT_TRUE(absl::IsInvalidArgument(LossDelta(config_, head_, block, LoadFrom(blocks_), none,
                                                  streamed_.activations[kBlock], tokens_, options_, nullptr, cancel_)
                                            .status()));
  }
  options_.scratch_directory += "/absent";
  EXPECT_TRUE(
      absl::IsInvalidArgument(Fisher(none, streamed_.activations[kBlock], streamed_.gradients[kBlock + 1]).status()));
  options_.scratch_directory = ::testing::TempDir() + "lwq_sensitivity_outputs";
  const Candidates foreign = CandidatesOf({RandomBlock(RandomConfig({.hidden = 64}), 1)});
  EXPECT_TRUE(absl::IsInvalidArgument(Delta(foreign, streamed_.activations[kBlock], tokens_).status()));
}

TEST_F(SensitivityOutputsTest, WeightErrorsAreTheSquaredDistanceToTheRoundedWeights) {
  const std::vector<RtnOptions> choices = {{.bits = 2, .group_size = 16}, {.bits = 4, .group_size = -1}};
  const auto found = WeightErrors(config_, blocks_[kBlock], choices);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const auto rounded = QuantizeRtn(config_, blocks_[kBlock], choices[i]);
    ASSERT_TRUE(rounded.ok());
    double wanted = 0;
    for (const LinearKind kind : kAllLinears) {
      const at::Tensor error = LoadLinear(config_, blocks_[kBlock], kind, at::kDouble, at::kCPU)
                                   .sub(LoadLinear(config_, *rounded, kind, at::kDouble, at::kCPU));
      wanted += error.pow(2).sum().item<double>();
    }
    EXPECT_NEAR(found->at(i), wanted, 1e-12 * wanted);
  }
  EXPECT_GT(found->at(0), found->at(1));
  EXPECT_TRUE(absl::IsInvalidArgument(WeightErrors(config_, blocks_[kBlock], {{.bits = 4, .group_size = 7}}).status()));
}

}  // namespace
}  // namespace lwq::qat
