// SPDX-License-Identifier: Apache-2.0
// Whole models by GPTQ: held-out perplexity of stories260K beside round-to-nearest's and Block-AP's, block by block on
// what the quantized blocks before give. docs/gptq.md has the numbers that are printed here.
#include <cstdio>
#include <functional>

#include "tests/numerics/qat/reference_model.h"
#include "worker/qat/api/gptq.h"
#include "worker/qat/api/train_block.h"

namespace lwq::qat {
namespace {

constexpr int64_t kGroup = 64;

void Must(const Status& status) {
  LWQ_CHECK(status.ok(), status.ToString());
}

// What a block reads, quantized or not, and the windows that perplexity is measured on.
class GptqModelTest : public ::testing::Test {
 protected:
  void SetUp() override { LWQ_NEEDS_REFERENCE(); }

  struct Data {
    ReferenceModel model = LoadReferenceModel("stories260k_h192");
    SafetensorsFile tokens = OpenSafetensors(ReferenceDirectory() + "/data/tokens.safetensors");
    MemorySamples train = TokenWindows(*tokens.Get("train_ids_128"));
    MemorySamples val = TokenWindows(*tokens.Get("val_ids"));
    MemorySamples held_out = TokenWindows(*tokens.Get("heldout_ids"));
  };
  static Data& All() {
    static Data* const data = new Data;
    return *data;
  }

  static MemorySamples Embedded(MemorySamples tokens) {
    const ReferenceModel& model = All().model;
    MemorySamples out(DType::kF32, {tokens.sample_shape()[0], model.config.hidden_size});
    Must(Embed(model.config, model.head.embedding, tokens, DType::kF32, out));
    return out;
  }
  static MemorySamples Advanced(const BlockState& block, MemorySamples in) {
    MemorySamples out(DType::kF32, in.sample_shape());
    Must(AdvanceBlock(All().model.config, block, in, out, AdvanceOptions{.micro_batch = 8}, nullptr, CancelToken{}));
    return out;
  }

  // What every method gets: the block, and both chains before it.
  struct BlockInputs {
    const BlockState& block;
    MemorySamples train_in, train_target, val_in, val_target;
  };
  using Method = std::function<BlockState(BlockInputs&)>;

  // What each block gives in full precision, which no method changes.
  struct Targets {
    MemorySamples train, val;
  };
  static const std::vector<Targets>& FullPrecisionTargets() {
    static const auto* const all = [] {
      auto* targets = new std::vector<Targets>;
      Targets last{Embedded(All().train), Embedded(All().val)};
      for (const BlockState& block : All().model.blocks) {
        last = {Advanced(block, std::move(last.train)), Advanced(block, std::move(last.val))};
        targets->push_back(last);
      }
      return targets;
    }();
    return *all;
  }

  static double PerplexityBy(const Method& quantize) {
    Data& data = All();
    MemorySamples train = Embedded(data.train), val = Embedded(data.val);
    std::vector<BlockState> blocks;
    for (const BlockState& block : data.model.blocks) {
      const Targets& targets = FullPrecisionTargets()[blocks.size()];
      BlockInputs inputs{block, train, targets.train, val, targets.val};
      blocks.push_back(quantize(inputs));
      train = Advanced(blocks.back(), train);
      val = Advanced(blocks.back(), val);
    }
    MemorySamples windows = data.held_out;
    PerplexityOptions options;
    options.micro_batch = 8;
    options.scratch_directory = ::testing::TempDir();
    const auto result = EvaluatePerplexity(
        data.model.config, data.model.head, [&](int64_t k) -> StatusOr<BlockState> { return blocks[k]; }, windows,
        options, nullptr, CancelToken{});
    Must(result.status());
    return result->perplexity;
  }

  static BlockState ByRtn(BlockInputs& inputs, int bits) {
    return *QuantizeRtn(All().model.config, inputs.block, {.bits = bits, .group_size = kGroup});
  }
  static GptqOutcome ByGptq(BlockInputs& inputs, int bits, bool desc_act) {
    const GptqOptions options{.bits = bits, .group_size = kGroup, .desc_act = desc_act, .keep_latent = true};
    auto outcome = QuantizeGptq(All().model.config, inputs.block, inputs.train_in, options, nullptr, CancelToken{});
    Must(outcome.status());
    return *std::move(outcome);
  }
  static BlockState ByBlockAp(BlockInputs& inputs, int bits, bool from_gptq) {
    TrainOptions options;
    options.bits = bits;
    options.group_size = kGroup;
    options.weight_lr = bits == 2 ? 2e-5 : 1e-5;
    TrainInputs training = {&inputs.train_in, &inputs.train_target, &inputs.val_in, &inputs.val_target};
    BlockState weights = inputs.block;
    if (from_gptq) {
      GptqOutcome start = ByGptq(inputs, bits, /*desc_act=*/false);
      training.start = {std::move(start.block)};
      weights = std::move(start.latent);
    }
    auto outcome = TrainBlock(All().model.config, {weights}, training, options, nullptr, CancelToken{});
    Must(outcome.status());
    return std::move(outcome->blocks[0].block);
  }
};

class GptqWidthTest : public GptqModelTest, public ::testing::WithParamInterface<int> {};

TEST_P(GptqWidthTest, ThePerplexityIsLowerThanRoundToNearests) {
  const int bits = GetParam();
  static const double fp = PerplexityBy([](BlockInputs& inputs) { return inputs.block; });
  const double rtn = PerplexityBy([&](BlockInputs& inputs) { return ByRtn(inputs, bits); });
  const double gptq = PerplexityBy([&](BlockInputs& inputs) { return ByGptq(inputs, bits, false).block; });
  const double desc_act = PerplexityBy([&](BlockInputs& inputs) { return ByGptq(inputs, bits, true).block; });
  std::printf("w%dg%ld: full precision %.4f, rtn %.4f, gptq %.4f, with desc_act %.4f\n", bits,
              static_cast<long>(kGroup), fp, rtn, gptq, desc_act);
  EXPECT_LT(gptq, rtn);
  EXPECT_LT(desc_act, rtn);
  EXPECT_LT(fp, gptq);
}

TEST_P(GptqWidthTest, ThePerplexityOfATrainingIsLowerWhereItStartsFromGptq) {
  const int bits = GetParam();
  const double block_ap = PerplexityBy([&](BlockInputs& inputs) { return ByBlockAp(inputs, bits, false); });
  const double from_gptq = PerplexityBy([&](BlockInputs& inputs) { return ByBlockAp(inputs, bits, true); });
  std::printf("w%dg%ld: block_ap %.4f, from gptq %.4f\n", bits, static_cast<long>(kGroup), block_ap, from_gptq);
  EXPECT_LT(from_gptq, block_ap);
}

INSTANTIATE_TEST_SUITE_P(Widths, GptqWidthTest, ::testing::Values(2, 3, 4));

}  // namespace
}  // namespace lwq::qat
