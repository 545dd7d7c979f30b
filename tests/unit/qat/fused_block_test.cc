// SPDX-License-Identifier: Apache-2.0
// The fused block against the composed one: forward, gradients, and gradients of gradients, with every instruction set
// of this CPU that has it.
#include "worker/qat/model/fused_block.h"

#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "tests/unit/qat/tensor_checks.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/fused_head.h"
#include "worker/qat/model/load_block.h"

namespace lwq::qat {
namespace {

struct FusedCase {
  const char* name;
  Shape shape;
  int64_t batch, tokens, window;  // window 0: none
  at::ScalarType type;
  double magnitude = 1;  // of cosines and sines, as yarn has it
};

class FusedBlockTest : public ::testing::TestWithParam<FusedCase> {
 protected:
  FusedBlockTest() : config_(RandomConfig(GetParam().shape)) {
    if (GetParam().window > 0) config_.sliding_window = GetParam().window;
    hidden_ = RandomTensor({GetParam().batch, GetParam().tokens, config_.hidden_size}, 3);
    upstream_ = RandomTensor({GetParam().batch, GetParam().tokens, config_.hidden_size}, 4);
    tables_ = MakeSequenceTables(config_, GetParam().tokens, at::kCPU);
    tables_.cos.mul_(GetParam().magnitude);
    tables_.sin.mul_(GetParam().magnitude);
  }

  BlockTensors Block() const {
    BlockTensors block = LoadBlock(config_, RandomBlock(config_, 7), GetParam().type, at::kCPU);
    for (at::Tensor& linear : block.linears) linear.set_requires_grad(true);
    block.input_norm.set_requires_grad(true);
    block.post_attention_norm.set_requires_grad(true);
    return block;
  }

  // The output, and the gradients of input, linears and norms.
  std::vector<at::Tensor> Run(bool fused) const {
    const BlockTensors block = Block();
    const at::Tensor hidden = hidden_.clone().set_requires_grad(true);
    const at::Tensor out = fused ? FusedBlockForward(config_, block, tables_, hidden)
                                 : ComposedBlockForward(config_, block, tables_, hidden);
    out.backward(upstream_);
    std::vector<at::Tensor> results = {out.detach(), hidden.grad()};
    for (const at::Tensor& linear : block.linears) results.push_back(linear.grad());
    results.push_back(block.input_norm.grad());
    results.push_back(block.post_attention_norm.grad());
    return results;
  }

  static std::vector<InstructionSet> FusingSets() {
    std::vector<InstructionSet> sets;
    for (const InstructionSet set : AvailableInstructionSets()) {
      if (set >= InstructionSet::kAvx512) sets.push_back(set);
    }
    return sets;
  }

  double Tolerance() const { return GetParam().type == at::kBFloat16 ? 2e-2 : 5e-6; }

  LlamaConfig config_;
  at::Tensor hidden_, upstream_;
  SequenceTables tables_;
};

// In units of `b`; of `otherwise` where b is exactly 0 (with a single key softmax is constant, and the gradients of q
// and k are nothing but rounding in the fused block).
double RelativeDifference(const at::Tensor& a, const at::Tensor& b, const at::Tensor& otherwise = {}) {
  const at::Tensor wide = b.to(at::kDouble);
  const double size = wide.norm().item<double>();
  return a.to(at::kDouble).sub(wide).norm().item<double>() / (size > 0 ? size : otherwise.norm().item<double>());
}

TEST_P(FusedBlockTest, OutputAndGradientsAgreeWithTheComposedBlock) {
  const std::vector<at::Tensor> composed = Run(false);
  for (const InstructionSet set : FusingSets()) {
    const ScopedInstructionSet scope(set);
    const std::vector<at::Tensor> fused = Run(true);
    for (size_t i = 0; i < fused.size(); ++i) {
      EXPECT_EQ(fused[i].scalar_type(), composed[i].scalar_type()) << i;
      EXPECT_LE(RelativeDifference(fused[i], composed[i], composed[1]), Tolerance())
          << i << " " << InstructionSetName(set);
    }
  }
}

TEST_P(FusedBlockTest, WhatEachLinearReadsIsWhatTheComposedBlockGivesIt) {
  const c10::NoGradGuard no_grad;
  const BlockTensors block = Block();
  const LinearInputs composed = InputsOfLinears(config_, block, tables_, hidden_);
  const std::pair<LinearInput, at::Tensor> inputs[] = {{LinearInput::kQkv, composed.qkv},
                                                       {LinearInput::kO, composed.o},
                                                       {LinearInput::kGateUp, composed.gate_up},
                                                       {LinearInput::kDown, composed.down}};
  for (const InstructionSet set : FusingSets()) {
    const ScopedInstructionSet scope(set);
    for (const auto& [which, expected] : inputs) {
      const at::Tensor read = FusedInputOfLinear(config_, block, tables_, hidden_, which);
      EXPECT_EQ(read.scalar_type(), expected.scalar_type());
      EXPECT_EQ(read.sizes(), expected.sizes());
      EXPECT_LE(RelativeDifference(read, expected), Tolerance())
          << static_cast<int>(which) << " " << InstructionSetName(set);
    }
  }
}

TEST_P(FusedBlockTest, WithoutGradientsAndWithAnyThreadsTheOutputIsTheSame) {
  for (const InstructionSet set : FusingSets()) {
    const ScopedInstructionSet scope(set);
    std::vector<at::Tensor> one, two;
    {
      const ScopedThreads threads(1);
      one = Run(true);
    }
    const ScopedThreads threads(2);
    two = Run(true);
    for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(one[i].equal(two[i])) << i << " " << InstructionSetName(set);
    BlockTensors block = Block();
    for (at::Tensor& linear : block.linears) linear.set_requires_grad(false);
    const c10::NoGradGuard no_grad;
    EXPECT_TRUE(FusedBlockForward(config_, block, tables_, hidden_).equal(one[0]));
    const at::Tensor last = hidden_.narrow(0, hidden_.size(0) - 1, 1);
    EXPECT_TRUE(FusedBlockForward(config_, block, tables_, last).equal(one[0].narrow(0, hidden_.size(0) - 1, 1)));
  }
}

TEST_P(FusedBlockTest, GradientsOfGradientsAreThoseOfTheComposedBlock) {
  if (FusingSets().empty()) return;
  const auto second = [&](bool fused) {
    const BlockTensors block = Block();
    const at::Tensor& gate = block[LinearKind::kGate];
    const at::Tensor out = fused ? FusedBlockForward(config_, block, tables_, hidden_)
                                 : ComposedBlockForward(config_, block, tables_, hidden_);
    const auto first = torch::autograd::grad({out}, {gate}, {upstream_}, true, true);
    return torch::autograd::grad({first[0].to(at::kFloat).pow(2).sum()}, {gate})[0];
  };
  EXPECT_LE(RelativeDifference(second(true), second(false)), 1e-6);
}

TEST_P(FusedBlockTest, FrozenParametersGetNoGradientAndChangeNoOther) {
  if (FusingSets().empty()) return;
  const std::vector<at::Tensor> all = Run(true);
  const BlockTensors block = Block();
  for (const LinearKind kind : {LinearKind::kQ, LinearKind::kDown}) at::Tensor(block[kind]).set_requires_grad(false);
  at::Tensor(block.input_norm).set_requires_grad(false);
  FusedBlockForward(config_, block, tables_, hidden_).backward(upstream_);
  for (const LinearKind kind : kAllLinears) {
    const bool frozen = kind == LinearKind::kQ || kind == LinearKind::kDown;
    ASSERT_EQ(block[kind].grad().defined(), !frozen) << LinearName(kind);
    if (frozen) continue;
    EXPECT_TRUE(block[kind].grad().equal(all[2 + static_cast<size_t>(kind)])) << LinearName(kind);
  }
  EXPECT_FALSE(block.input_norm.grad().defined());
  EXPECT_TRUE(block.post_attention_norm.grad().equal(all.back()));
}

TEST(FusedHead, LossesAgreeWithTheComposedHeadAndDoNotDependOnThreads) {
  LlamaConfig config = RandomConfig({96, 160, 4, 4});
  config.vocab_size = 1300;  // strips of 512, the last one partial
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const HeadTensors head{RandomTensor({96}, 1), RandomTensor({1300, 96}, 2).to(type)};
    const at::Tensor hidden = RandomTensor({3, 45, 96}, 3);
    const at::Tensor ids = RandomTensor({3, 45}, 4).abs().mul(400).to(at::kLong).remainder(1300);
    std::vector<double> composed;
    for (int64_t i = 0; i < 3; ++i) composed.push_back(SampleLoss(config, head, hidden[i], ids[i]));
    for (const InstructionSet set : AvailableInstructionSets()) {
      if (set < InstructionSet::kAvx512) continue;
      const ScopedInstructionSet scope(set);
      std::vector<double> one;
      {
        const ScopedThreads threads(1);
        one = FusedSampleLosses(config, head, hidden, ids);
      }
      const ScopedThreads threads(2);
      EXPECT_EQ(FusedSampleLosses(config, head, hidden, ids), one);
      EXPECT_EQ(FusedSampleLosses(config, head, hidden.narrow(0, 1, 1), ids.narrow(0, 1, 1)),
                std::vector<double>{one[1]})
          << "a sample's loss depends on what stands beside it";
      ASSERT_EQ(one.size(), composed.size());
      for (size_t i = 0; i < one.size(); ++i) {
        EXPECT_NEAR(one[i], composed[i], (type == at::kFloat ? 1e-6 : 2e-3) * composed[i]) << InstructionSetName(set);
      }
    }
  }
}

TEST(FusedBlockChoice, BlocksWithBiasesOrNormsOfQueriesAndKeysStayComposed) {
  const LlamaConfig config = RandomConfig({96, 160, 4, 4});
  const BlockTensors plain = LoadBlock(config, RandomBlock(config, 7), at::kBFloat16, at::kCPU);
  const at::Tensor hidden = RandomTensor({1, 8, 96}, 3);
  EXPECT_EQ(CanFuseBlock(plain, hidden), ActiveInstructionSet() >= InstructionSet::kAvx512);
  BlockTensors biased = plain;
  biased.biases[static_cast<size_t>(LinearKind::kK)] = RandomTensor({96}, 1).to(at::kBFloat16);
  EXPECT_FALSE(CanFuseBlock(biased, hidden));
  BlockTensors normed = plain;
  normed.query_norm = normed.key_norm = RandomTensor({24}, 1);
  EXPECT_FALSE(CanFuseBlock(normed, hidden));
}

INSTANTIATE_TEST_SUITE_P(Shapes, FusedBlockTest,
                         ::testing::Values(FusedCase{"f32", {96, 160, 4, 4}, 2, 70, 0, at::kFloat},
                                           FusedCase{"bf16", {96, 160, 4, 4}, 2, 70, 0, at::kBFloat16},
                                           FusedCase{"grouped", {144, 200, 9, 3}, 2, 100, 0, at::kFloat},
                                           FusedCase{"groupedbf16", {576, 352, 9, 3}, 1, 130, 0, at::kBFloat16},
                                           FusedCase{"yarn", {96, 160, 4, 4}, 2, 70, 0, at::kFloat, 1.4},
                                           FusedCase{"long", {64, 96, 2, 1}, 1, 331, 0, at::kFloat},
                                           FusedCase{"window", {64, 96, 2, 1}, 2, 200, 40, at::kFloat},
                                           FusedCase{"windowofone", {64, 96, 2, 1}, 1, 70, 1, at::kFloat},
                                           // More keys than forward takes at once (fused_attention.cc).
                                           FusedCase{"tiles", {64, 96, 2, 1}, 1, 1100, 0, at::kFloat},
                                           FusedCase{"tilesbf16", {64, 96, 4, 2}, 2, 555, 0, at::kBFloat16},
                                           FusedCase{"tilesandwindowbf16", {64, 96, 2, 1}, 1, 700, 300, at::kBFloat16},
                                           FusedCase{"onetoken", {64, 96, 2, 1}, 3, 1, 0, at::kFloat}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace lwq::qat
