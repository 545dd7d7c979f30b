// SPDX-License-Identifier: Apache-2.0
// Curvature along a probe, streamed, against central differences of the whole model's gradient in float64; and the
// probes themselves.
#include <torch/csrc/autograd/autograd.h>

#include <filesystem>
#include <set>

#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "tests/unit/qat/stream_boundaries.h"
#include "worker/qat/api/sensitivity.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/llama_model.h"
#include "worker/qat/model/load_block.h"

namespace lwq::qat {
namespace {

class SensitivityHessianTest : public ::testing::Test {
 protected:
  static constexpr int64_t kSamples = 3;
  static constexpr int64_t kSeqlen = 9;

  HessianProbe Probe(int64_t first_block, int64_t blocks) const {
    return {first_block, blocks,
            [this](int64_t block, LinearKind kind) { return RademacherVector(config_, 7, 1, block, kind); }};
  }
  HessianInputs Inputs() {
    return {&head_, LoadFrom(blocks_), OpenFrom(streamed_.activations), OpenFrom(streamed_.gradients), &tokens_};
  }
  StatusOr<std::vector<double>> Curvatures(const HessianProbe& probe, const HessianInputs& inputs) {
    return HessianCurvatures(config_, probe, inputs, options_, progress_, cancel_);
  }

  at::Tensor Direction(int64_t block, LinearKind kind) const {
    return ToTensor(*RademacherVector(config_, 7, 1, block, kind), at::kDouble, at::kCPU);
  }
  // vᵀ∇ of Σ l_i by block of the probe, the weights moved by `step` along it; everything in float64.
  std::vector<double> Slopes(const HessianProbe& probe, double step) {
    LlamaModel model{config_,
                     ToTensor(head_.embedding, at::kDouble, at::kCPU),
                     {},
                     ToTensor(head_.final_norm, at::kDouble, at::kCPU),
                     ToTensor(head_.lm_head, at::kDouble, at::kCPU)};
    for (int64_t k = 0; k < config_.num_hidden_layers; ++k) {
      BlockTensors block = LoadBlock(config_, blocks_[k], at::kDouble, at::kCPU);
      block.input_norm = block.input_norm.to(at::kDouble);
      block.post_attention_norm = block.post_attention_norm.to(at::kDouble);
      for (const LinearKind kind : kAllLinears) {
        const bool moved = k >= probe.first_block && k < probe.first_block + probe.blocks;
        if (moved) block[kind].add_(Direction(k, kind), step);
        block[kind].set_requires_grad(true);
      }
      model.blocks.push_back(block);
    }
    const at::Tensor ids = ToTensor(*tokens_.Read(0, kSamples), at::kLong, at::kCPU);
    NextTokenLoss(model.Forward(ids), ids).sum().backward();
    std::vector<double> slopes;
    for (int64_t k = probe.first_block; k < probe.first_block + probe.blocks; ++k) {
      double slope = 0;
      for (const LinearKind kind : kAllLinears) {
        slope += model.blocks[k][kind].grad().mul(Direction(k, kind)).sum().item<double>();
      }
      slopes.push_back(slope);
    }
    return slopes;
  }

  LlamaConfig config_ = RandomConfig({.layers = 4});
  std::vector<BlockState> blocks_ = {RandomBlock(config_, 3), RandomBlock(config_, 30), RandomBlock(config_, 300),
                                     RandomBlock(config_, 3000)};
  HeadWeights head_{RandomHostTensor({config_.vocab_size, config_.hidden_size}, 50),
                    RandomHostTensor({config_.hidden_size}, 51),
                    RandomHostTensor({config_.vocab_size, config_.hidden_size}, 52, 0.1)};
  MemorySamples tokens_ = RandomTokens(config_, kSamples, kSeqlen, 60);
  Boundaries streamed_ = StreamBoundaries(config_, head_, blocks_, tokens_);
  SensitivityOptions options_{.execution = {}, .scratch_directory = ::testing::TempDir()};
  ProgressSink progress_;
  CancelToken cancel_;
};

TEST_F(SensitivityHessianTest, CurvatureIsTheCentralDifferenceOfTheWholeModelsGradient) {
  const std::pair<int64_t, int64_t> scopes[] = {{0, 1}, {1, 1}, {3, 1}, {0, 4}, {1, 2}};
  for (const auto& [first_block, blocks] : scopes) {
    const HessianProbe probe = Probe(first_block, blocks);
    const auto found = Curvatures(probe, Inputs());
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_EQ(static_cast<int64_t>(found->size()), blocks);
    constexpr double kStep = 1e-5;
    const std::vector<double> above = Slopes(probe, kStep), below = Slopes(probe, -kStep);
    double scale = 0;
    for (int64_t i = 0; i < blocks; ++i) scale = std::max(scale, std::abs(above[i] - below[i]) / (2 * kStep));
    ASSERT_GT(scale, 0.1) << "no curvature to compare";
    for (int64_t i = 0; i < blocks; ++i) {
      EXPECT_NEAR(found->at(i), (above[i] - below[i]) / (2 * kStep), 1e-4 * scale)
          << "probe over " << blocks << " blocks from " << first_block << ", block " << first_block + i;
    }
  }
}

TEST_F(SensitivityHessianTest, SumsOfShardsAddUpToTheSumOfAll) {
  const auto all = Curvatures(Probe(1, 2), Inputs());
  ASSERT_TRUE(all.ok()) << all.status();
  std::vector<double> sums(2);
  for (int64_t i = 0; i < kSamples; ++i) {
    MemorySamples tokens = Part(tokens_, i, 1);
    const auto part_of = [i](const std::vector<MemorySamples>& sets) -> SampleOpener {
      return [&sets, i](int64_t boundary) -> StatusOr<std::unique_ptr<SampleSource>> {
        return std::make_unique<MemorySamples>(Part(sets[boundary], i, 1));
      };
    };
    const HessianInputs inputs{&head_, LoadFrom(blocks_), part_of(streamed_.activations), part_of(streamed_.gradients),
                               &tokens};
    const auto found = Curvatures(Probe(1, 2), inputs);
    ASSERT_TRUE(found.ok()) << found.status();
    for (size_t k = 0; k < sums.size(); ++k) sums[k] += found->at(k);
  }
  EXPECT_EQ(sums, *all);
}

TEST_F(SensitivityHessianTest, BlocksAndBoundariesBeforeTheProbeAreNotAskedFor) {
  HessianInputs inputs = Inputs();
  std::set<int64_t> blocks, activations, gradients;
  inputs.load_block = [&](int64_t k) -> StatusOr<BlockState> {
    blocks.insert(k);
    return blocks_[k];
  };
  inputs.activations = [&](int64_t k) {
    activations.insert(k);
    return OpenFrom(streamed_.activations)(k);
  };
  inputs.gradients = [&](int64_t k) {
    gradients.insert(k);
    return OpenFrom(streamed_.gradients)(k);
  };
  Progress last;
  progress_ = [&](const Progress& progress) { last = progress; };
  ASSERT_TRUE(Curvatures(Probe(2, 1), inputs).ok());
  EXPECT_EQ(blocks, (std::set<int64_t>{2, 3}));
  EXPECT_EQ(activations, (std::set<int64_t>{2, 3, 4}));
  EXPECT_EQ(gradients, (std::set<int64_t>{3, 4}));
  EXPECT_EQ(last.step, kSamples * 5);
  EXPECT_EQ(last.steps, kSamples * 5);
}

TEST_F(SensitivityHessianTest, ACancelledWalkStopsWhereverItIs) {
  for (const int64_t at : {1, 5, 8, 11}) {
    progress_ = [&](const Progress& progress) { cancel_.cancelled = progress.step == at; };
    EXPECT_TRUE(absl::IsCancelled(Curvatures(Probe(2, 1), Inputs()).status())) << at;
    cancel_.cancelled = false;
  }
}

TEST_F(SensitivityHessianTest, ProbesAndSetsThatDoNotFitAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(Curvatures(Probe(-1, 1), Inputs()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Curvatures(Probe(3, 2), Inputs()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Curvatures(Probe(0, 0), Inputs()).status()));
  HessianProbe foreign = Probe(0, 1);
  foreign.vector = [&](int64_t, LinearKind) { return RademacherVector(config_, 1, 1, 0, LinearKind::kDown); };
  EXPECT_TRUE(absl::IsInvalidArgument(Curvatures(foreign, Inputs()).status()));
  streamed_.gradients[4] = Part(streamed_.gradients[4], 0, 2);
  EXPECT_TRUE(absl::IsInvalidArgument(Curvatures(Probe(0, 1), Inputs()).status()));
  tokens_ = Part(tokens_, 0, 2);
  EXPECT_TRUE(absl::IsInvalidArgument(Curvatures(Probe(0, 1), Inputs()).status()));
}

TEST_F(SensitivityHessianTest, AProbeIsSignsDrawnFromItsNumbersAlone) {
  const auto bytes = [&](int64_t seed, int64_t probe, int64_t block, LinearKind kind) {
    const auto vector = RademacherVector(config_, seed, probe, block, kind);
    LWQ_CHECK(vector.ok(), vector.status().ToString());
    const LinearShape shape = ShapeOf(config_, kind);
    EXPECT_EQ(vector->dtype, DType::kI8);
    EXPECT_EQ(vector->shape, (std::vector<int64_t>{shape.out_features, shape.in_features}));
    return std::string(vector->bytes.view());
  };
  const std::string drawn = bytes(1, 2, 3, LinearKind::kGate);
  int64_t sum = 0;
  for (const char sign : drawn) {
    EXPECT_TRUE(sign == 1 || sign == -1);
    sum += sign;
  }
  EXPECT_LE(std::abs(sum), 160) << "four standard deviations of 1536 fair signs";
  EXPECT_EQ(drawn, bytes(1, 2, 3, LinearKind::kGate));
  EXPECT_NE(drawn, bytes(2, 2, 3, LinearKind::kGate));
  EXPECT_NE(drawn, bytes(1, 3, 3, LinearKind::kGate));
  EXPECT_NE(drawn, bytes(1, 2, 2, LinearKind::kGate));
  EXPECT_NE(drawn, bytes(1, 2, 3, LinearKind::kUp));
  EXPECT_TRUE(absl::IsInvalidArgument(RademacherVector(config_, 1, 2, 4, LinearKind::kUp).status()));
  // Computed independently from the description of the generator: the first 16 signs, 1 for +1.
  std::string first;
  for (int i = 0; i < 16; ++i) first += drawn[i] == 1 ? '1' : '0';
  EXPECT_EQ(first, "1001100100011101");
}

}  // namespace
}  // namespace lwq::qat
