// SPDX-License-Identifier: Apache-2.0
// What E2E-QP holds: of activations and decoded weights one block's, of every block its scales alone.
#include <cstdio>

#include "coordinator/plan/cost/task_costs.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/api/train_scales.h"

namespace lwq::qat {
namespace {

// In memory that the allocator does not count, like a file's.
HostTensor AsRead(const HostTensor& tensor) {
  return {tensor.dtype, tensor.shape, Bytes::FromString(std::string(tensor.bytes.view()))};
}

BlockState BlockAsRead(const LlamaConfig& config, int64_t group_size) {
  StatusOr<BlockState> block = QuantizeRtn(config, RandomBlock(config, 5), {.bits = 2, .group_size = group_size});
  LWQ_CHECK(block.ok(), block.status().ToString());
  for (auto& [kind, weight] : block->linears) {
    auto& linear = std::get<QuantizedLinear>(weight);
    linear.codes = AsRead(linear.codes);
    linear.scales = AsRead(linear.scales);
    linear.zeros = AsRead(linear.zeros);
  }
  block->input_norm = AsRead(block->input_norm);
  block->post_attention_norm = AsRead(block->post_attention_norm);
  return *block;
}

struct Peak {
  int64_t bytes = 0;     // above what was held before
  int64_t scales = 0;    // of a block
  int64_t estimate = 0;  // of the plan
};

Peak PeakOf(const Shape& shape, int64_t seqlen, int64_t group_size, int64_t windows) {
  const LlamaConfig config = RandomConfig(shape);
  const std::vector<BlockState> blocks(config.num_hidden_layers, BlockAsRead(config, group_size));  // bytes shared
  const HeadWeights head{AsRead(RandomHostTensor({config.vocab_size, config.hidden_size}, 50)),
                         AsRead(RandomHostTensor({config.hidden_size}, 51)),
                         AsRead(RandomHostTensor({config.vocab_size, config.hidden_size}, 52))};
  MemorySamples train = RandomTokens(config, windows, seqlen, 60);
  MemorySamples validation = RandomTokens(config, 1, seqlen, 61);
  const TrainScalesOptions options{.steps = 2,
                                   .total_steps = 2,
                                   .batch_size = windows,
                                   .lr = 1e-4,
                                   .validates_first = true,
                                   .scratch_directory = ::testing::TempDir()};
  const int64_t before = CurrentMemoryUse().current_bytes;
  ResetPeakMemoryUse();
  const StatusOr<ScaleState> state = InitialScaleState(config, blocks);
  LWQ_CHECK(state.ok(), state.status().ToString());
  const Status trained =
      TrainScales(config, head, blocks, *state, train, validation, options, nullptr, CancelToken{}).status();
  LWQ_CHECK(trained.ok(), trained.ToString());
  Recipe recipe{};
  recipe.e2e_seqlen = seqlen;
  recipe.group_size = group_size;
  return {.bytes = CurrentMemoryUse().peak_bytes - before,
          .scales = state->blocks[0].scales.elements(),
          .estimate = coordinator::TaskMemoryBytes(TaskKind::kTrainScales, config, recipe)};
}

TEST(TrainScalesMemoryTest, AnotherBlockAddsItsScalesAndNothingElse) {
  const auto peak = [](int64_t layers, int64_t windows) {
    return PeakOf({256, 704, 8, 4, layers, 512}, 64, 64, windows);
  };
  const Peak six = peak(6, 1), twelve = peak(12, 1);
  std::printf("6 blocks: %ld KiB, 12 blocks: %ld KiB, scales of a block: %ld\n", static_cast<long>(six.bytes >> 10),
              static_cast<long>(twelve.bytes >> 10), static_cast<long>(six.scales));
  // In float32: value, two moments and gradient, the first three as the segment got them, what is served, and what is
  // served next.
  constexpr int64_t kNumbers = 9;
  EXPECT_LE(twelve.bytes - six.bytes, 6 * kNumbers * 4 * six.scales);
  EXPECT_EQ(peak(6, 4).bytes, six.bytes) << "windows of a batch are computed one at a time";
}

TEST(TrainScalesMemoryTest, PeaksObeyThePlansEstimate) {
  for (const auto& [shape, seqlen] :
       {std::pair{Shape{1024, 2816, 16, 16, 2, 16000}, 64}, std::pair{Shape{256, 704, 4, 4, 2, 32000}, 512}}) {
    const Peak peak = PeakOf(shape, seqlen, 64, 1);
    std::printf("%ld MiB of at most %ld\n", static_cast<long>(peak.bytes >> 20),
                static_cast<long>(peak.estimate >> 20));
    EXPECT_LE(peak.bytes, peak.estimate);
    EXPECT_GE(static_cast<double>(peak.bytes), 0.3 * static_cast<double>(peak.estimate))
        << "the estimate wastes memory";
  }
}

}  // namespace
}  // namespace lwq::qat
