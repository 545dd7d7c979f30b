// SPDX-License-Identifier: Apache-2.0
// E2E-QP on the reference model: what Block-AP at 2 bits left of its perplexity on text that neither has seen.
#include <cstdio>

#include "gtest/gtest.h"
#include "tests/numerics/qat/reference_model.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/api/train_scales.h"

namespace lwq::qat {
namespace {

template <typename T>
T Must(StatusOr<T> value) {
  LWQ_CHECK(value.ok(), value.status().ToString());
  return *std::move(value);
}

class E2eQpNumericsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    LWQ_NEEDS_REFERENCE();
    ASSERT_TRUE(InitRuntime({}).ok());
    model_ = LoadReferenceModel("stories260k_h192");
    const SafetensorsFile tokens = OpenSafetensors(ReferenceDirectory() + "/data/tokens.safetensors");
    train_ = TokenWindows(Must(tokens.Get("train_ids_128")));
    validation_ = TokenWindows(Must(tokens.Get("val_ids")));
    heldout_ = TokenWindows(Must(tokens.Get("heldout_ids")));
  }

  MemorySamples Advance(const BlockState& block, MemorySamples in) const {
    MemorySamples out(DType::kF32, in.sample_shape());
    const Status status = AdvanceBlock(model_.config, block, in, out, {.micro_batch = 2}, nullptr, never_);
    LWQ_CHECK(status.ok(), status.ToString());
    return out;
  }
  MemorySamples Embedded(MemorySamples ids) const {
    MemorySamples out(DType::kF32, {ids.sample_shape()[0], model_.config.hidden_size});
    const Status status = Embed(model_.config, model_.head.embedding, ids, DType::kF32, out);
    LWQ_CHECK(status.ok(), status.ToString());
    return out;
  }
  // Every block after the other, at 2 bits in groups of 64.
  std::vector<BlockState> BlockAp() const {
    TrainOptions options;
    options.bits = 2;
    options.group_size = 64;
    options.epochs = 2;
    options.batch_size = 2;
    options.quant_lr = options.weight_lr = 1e-3;
    MemorySamples none(DType::kF32, {train_.sample_shape()[0], model_.config.hidden_size});
    MemorySamples full = Embedded(train_), quantized = full;
    std::vector<BlockState> blocks;
    for (const BlockState& block : model_.blocks) {
      MemorySamples target = Advance(block, full);
      TrainOutcome outcome =
          Must(TrainBlock(model_.config, {block}, {&quantized, &target, &none, &none}, options, nullptr, never_));
      blocks.push_back(outcome.blocks.at(0).block);
      quantized = Advance(blocks.back(), quantized);
      full = target;
    }
    return blocks;
  }
  double Perplexity(const std::vector<BlockState>& blocks) {
    PerplexityOptions options{.micro_batch = 8, .execution = {}, .scratch_directory = ::testing::TempDir()};
    const auto load = [&](int64_t k) -> StatusOr<BlockState> { return blocks[static_cast<size_t>(k)]; };
    return Must(EvaluatePerplexity(model_.config, model_.head, load, heldout_, options, nullptr, never_)).perplexity;
  }

  ReferenceModel model_;
  MemorySamples train_{DType::kI32, {1}}, validation_{DType::kI32, {1}}, heldout_{DType::kI32, {1}};
  CancelToken never_;
};

TEST_F(E2eQpNumericsTest, LowersTheHeldOutPerplexityThatBlockApLeft) {
  const std::vector<BlockState> blocks = BlockAp();
  const double before = Perplexity(blocks);
  for (const double lr : {2e-5, 1e-3}) {
    const TrainScalesOptions options{.steps = 128,
                                     .total_steps = 128,
                                     .batch_size = 2,
                                     .lr = lr,
                                     .warmup_ratio = 0.03,
                                     .clip_grad = 0.3,
                                     .validates_first = true,
                                     .scratch_directory = ::testing::TempDir()};
    const ScaleState start = Must(InitialScaleState(model_.config, blocks));
    const TrainScalesOutcome outcome =
        Must(TrainScales(model_.config, model_.head, blocks, start, train_, validation_, options, nullptr, never_));
    const double after = Perplexity(Must(WithTrainedScales(blocks, outcome.state, true)));
    std::printf("fp %.4f, Block-AP w2g64 %.4f, after E2E-QP at lr %g %.4f; validation loss %.4f -> %.4f\n",
                Perplexity(model_.blocks), before, lr, after, outcome.initial_val_loss, outcome.final_val_loss);
    EXPECT_LT(after, before) << lr;
    EXPECT_LT(outcome.final_val_loss, outcome.initial_val_loss) << lr;
  }
}

}  // namespace
}  // namespace lwq::qat
