// SPDX-License-Identifier: Apache-2.0
// The forward pass against logits and hidden states of stories260K by PyTorch 1.13.1
// (tests/numerics/README.md).
#include <ATen/ops/arange.h>
#include <c10/core/GradMode.h>

#include "tests/numerics/qat/reference_model.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/llama_model.h"
#include "worker/qat/model/load_block.h"

namespace lwq::qat {
namespace {

constexpr double kTolerance = 2e-4;

class LogitsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    LWQ_NEEDS_REFERENCE();
    expected_.emplace(OpenSafetensors(ReferenceDirectory() + "/logits.safetensors"));
  }

  static LlamaModel Model(const std::string& name) {
    const ReferenceModel reference = LoadReferenceModel(name);
    LlamaModel model;
    model.config = reference.config;
    model.embedding = ToTensor(reference.head.embedding, at::kFloat, at::kCPU);
    model.final_norm = ToTensor(reference.head.final_norm, at::kFloat, at::kCPU);
    model.lm_head = ToTensor(reference.head.lm_head, at::kFloat, at::kCPU);
    for (const BlockState& block : reference.blocks) {
      model.blocks.push_back(LoadBlock(reference.config, block, at::kFloat, at::kCPU));
    }
    return model;
  }

  at::Tensor Expected(const std::string& name) const {
    const auto tensor = expected_->Get(name);
    LWQ_CHECK(tensor.ok(), tensor.status().ToString());
    return ToTensor(*tensor, ScalarTypeOf(tensor->dtype), at::kCPU);
  }

  static double MaxDifference(const at::Tensor& a, const at::Tensor& b) { return a.sub(b).abs().max().item<double>(); }

  c10::NoGradGuard no_grad_;
  std::optional<SafetensorsFile> expected_;
};

TEST_F(LogitsTest, LogitsOfEveryReferenceInputAgree) {
  const LlamaModel model = Model("stories260k");
  EXPECT_LE(MaxDifference(model.Forward(Expected("input_ids")), Expected("logits")), kTolerance);
  EXPECT_LE(MaxDifference(model.Forward(Expected("batch.input_ids")), Expected("batch.logits")), kTolerance);
  EXPECT_LE(MaxDifference(model.Forward(Expected("random.input_ids")), Expected("random.logits")), kTolerance);
}

TEST_F(LogitsTest, ASequenceOfTwoQueryChunksAgreesAtItsEnd) {
  const at::Tensor ids = Expected("long.input_ids");
  ASSERT_GT(ids.size(1), kQueryChunk);
  const at::Tensor logits = Model("stories260k").Forward(ids);
  EXPECT_LE(MaxDifference(logits.narrow(1, ids.size(1) - 16, 16), Expected("long.logits_last16")), kTolerance);
}

TEST_F(LogitsTest, ThePaddedModelComputesTheSameFunction) {
  EXPECT_LE(MaxDifference(Model("stories260k_h192").Forward(Expected("input_ids")), Expected("logits")), kTolerance);
}

TEST_F(LogitsTest, HiddenStatesAfterEveryBlockAgree) {
  const LlamaModel model = Model("stories260k");
  const at::Tensor ids = Expected("input_ids");
  const SequenceTables tables = MakeSequenceTables(model.config, ids.size(1), at::kCPU);
  at::Tensor hidden = model.embedding.index_select(0, ids.flatten()).unsqueeze(0);
  EXPECT_EQ(MaxDifference(hidden, Expected("hidden_states.0")), 0);
  for (size_t k = 0; k < model.blocks.size(); ++k) {
    hidden = BlockForward(model.config, model.blocks[k], tables, hidden);
    const std::string name = "hidden_states." + std::to_string(k + 1);
    EXPECT_LE(MaxDifference(hidden, Expected(name)), kTolerance) << name;
  }
  EXPECT_LE(MaxDifference(RmsNorm(hidden, model.final_norm, model.config.rms_norm_eps), Expected("final_norm")),
            kTolerance);
}

TEST_F(LogitsTest, GreedyDecodingGivesTheSameTokens) {
  const LlamaModel model = Model("stories260k");
  const at::Tensor ids = Expected("greedy.input_ids");
  const int64_t prompt = ReadJson(ReferenceDirectory() + "/logits.json")["greedy_prompt_tokens"];
  ASSERT_GT(ids.size(1), prompt);
  // With a causal model one pass over the whole text predicts every greedy token from its own prefix.
  const at::Tensor next = model.Forward(ids).argmax(-1);
  const int64_t generated = ids.size(1) - prompt;
  EXPECT_TRUE(next.narrow(1, prompt - 1, generated).equal(ids.narrow(1, prompt, generated)));
}

TEST_F(LogitsTest, DoublePrecisionAgreesMoreCloselyThanTheToleranceAllows) {
  LlamaModel model = Model("stories260k");
  model.embedding = model.embedding.to(at::kDouble);
  model.lm_head = model.lm_head.to(at::kDouble);
  model.final_norm = model.final_norm.to(at::kDouble);
  for (BlockTensors& block : model.blocks) {
    for (at::Tensor& linear : block.linears) linear = linear.to(at::kDouble);
    block.input_norm = block.input_norm.to(at::kDouble);
    block.post_attention_norm = block.post_attention_norm.to(at::kDouble);
  }
  const at::Tensor logits = model.Forward(Expected("input_ids"));
  EXPECT_EQ(logits.scalar_type(), at::kDouble);
  EXPECT_LE(MaxDifference(logits, Expected("logits")), 6e-5);
}

}  // namespace
}  // namespace lwq::qat
