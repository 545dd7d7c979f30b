// SPDX-License-Identifier: Apache-2.0
// What the calls of sensitivity, preparation, GPTQ and fitted rounding hold does not grow with the number of blocks,
// and obeys what the plan says their tasks need.
#include <algorithm>
#include <cstdio>
#include <iterator>

#include "coordinator/plan/cost/task_costs.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "tests/unit/qat/stream_boundaries.h"
#include "worker/qat/api/fit_rounding.h"
#include "worker/qat/api/gptq.h"
#include "worker/qat/api/prepare.h"
#include "worker/qat/api/sensitivity.h"

namespace lwq::qat {
namespace {

using Peaks = std::map<TaskKind, int64_t>;

// In memory that the allocator does not count, like a file's.
HostTensor AsRead(const HostTensor& tensor) {
  return {tensor.dtype, tensor.shape, Bytes::FromString(std::string(tensor.bytes.view()))};
}

BlockState BlockAsRead(const LlamaConfig& config) {
  BlockState block = RandomBlock(config, 5);
  for (auto& [kind, weight] : block.linears) weight = AsRead(std::get<HostTensor>(weight));
  block.input_norm = AsRead(block.input_norm);
  block.post_attention_norm = AsRead(block.post_attention_norm);
  return block;
}

template <typename Call>
int64_t PeakOf(Call call) {
  const int64_t before = CurrentMemoryUse().current_bytes;
  ResetPeakMemoryUse();
  const Status status = call();
  LWQ_CHECK(status.ok(), status.ToString());
  return CurrentMemoryUse().peak_bytes - before;
}

// Peaks above what is held before, of every call over all blocks that it can walk.
Peaks PeaksOf(const LlamaConfig& config, int64_t samples, int64_t seqlen) {
  const std::vector<BlockState> blocks(config.num_hidden_layers, BlockAsRead(config));  // bytes shared
  const HeadWeights head{AsRead(RandomHostTensor({config.vocab_size, config.hidden_size}, 50)),
                         AsRead(RandomHostTensor({config.hidden_size}, 51)),
                         AsRead(RandomHostTensor({config.vocab_size, config.hidden_size}, 52))};
  MemorySamples tokens = RandomTokens(config, samples, seqlen, 60);
  MemorySamples activations = RandomSamples(config, samples, seqlen, 61);
  MemorySamples gradients = RandomSamples(config, samples, seqlen, 62);
  const std::vector<std::function<StatusOr<BlockState>()>> candidates(
      2, [&] { return QuantizeRtn(config, blocks[0], {.bits = 2, .group_size = 64}); });
  const SampleOpener open_activations = [&](int64_t) -> StatusOr<std::unique_ptr<SampleSource>> {
    return std::make_unique<MemorySamples>(activations);
  };
  const SampleOpener open_gradients = [&](int64_t) -> StatusOr<std::unique_ptr<SampleSource>> {
    return std::make_unique<MemorySamples>(gradients);
  };
  const HessianProbe probe{0, config.num_hidden_layers,
                           [&](int64_t block, LinearKind kind) { return RademacherVector(config, 1, 1, block, kind); }};
  const HessianInputs inputs{&head, LoadFrom(blocks), open_activations, open_gradients, &tokens};
  SensitivityOptions options;
  options.scratch_directory = ::testing::TempDir();
  const CancelToken cancel;
  MemorySamples out(DType::kF32, activations.sample_shape());
  Peaks peaks;
  peaks[TaskKind::kLossGradient] =
      PeakOf([&] { return LossGradient(config, head, activations, tokens, out, options, nullptr, cancel).status(); });
  peaks[TaskKind::kBackwardBlock] = PeakOf([&] {
    return BackwardBlock(config, blocks[0], activations, gradients, &out, true, options, nullptr, cancel).status();
  });
  peaks[TaskKind::kOutputFisher] = PeakOf([&] {
    return OutputFisher(config, blocks[0], candidates, activations, gradients, options, nullptr, cancel).status();
  });
  peaks[TaskKind::kLossDelta] = PeakOf([&] {
    return LossDelta(config, head, 0, LoadFrom(blocks), candidates, activations, tokens, options, nullptr, cancel)
        .status();
  });
  peaks[TaskKind::kHessian] =
      PeakOf([&] { return HessianCurvatures(config, probe, inputs, options, nullptr, cancel).status(); });
  peaks[TaskKind::kWeightError] =
      PeakOf([&] { return WeightErrors(config, blocks[0], {{.bits = 2, .group_size = 64}}).status(); });
  peaks[TaskKind::kSearchScales] = PeakOf([&] {
    const ScaleSearchOptions search{.bits = 2, .group_size = 64, .steps = 2, .error_samples = 1};
    return SearchScales(config, blocks[0], activations, search, nullptr, cancel).status();
  });
  peaks[TaskKind::kGptqBlock] = PeakOf([&] {
    const GptqOptions gptq{.bits = 2, .group_size = 64};
    return QuantizeGptq(config, blocks[0], activations, gptq, nullptr, cancel).status();
  });
  peaks[TaskKind::kFitRounding] = PeakOf([&] {
    const FitOptions fit{.bits = 2, .group_size = 64, .steps = 2, .offset_lr = 0.5, .range_lr = 0.5};
    const TrainInputs inputs_of_block{&activations, &activations, &activations, &activations};
    return FitRounding(config, blocks[0], inputs_of_block, fit, nullptr, cancel).status();
  });
  return peaks;
}

TEST(SensitivityMemoryTest, PeaksDoNotGrowWithTheNumberOfBlocksNorOfSamples) {
  const auto peaks = [](int64_t layers, int64_t samples) {
    return PeaksOf(RandomConfig({256, 704, 8, 4, layers, 512}), samples, 32);
  };
  const Peaks few = peaks(6, 2);
  for (const auto& [kind, bytes] : few) EXPECT_GT(bytes, 0) << TaskKindName(kind);
  EXPECT_EQ(peaks(12, 2), few);
  EXPECT_EQ(peaks(24, 2), few);
  EXPECT_EQ(peaks(6, 5), few);
}

struct SensitivityShape {
  const char* name;
  Shape shape;
  int64_t seqlen;
};

void PrintTo(const SensitivityShape& shape, std::ostream* os) {
  *os << shape.name;
}

class SensitivityEstimateTest : public ::testing::TestWithParam<SensitivityShape> {};

TEST_P(SensitivityEstimateTest, MeasuredPeaksObeyTheTasksEstimatesWithoutTheirChunks) {
  const LlamaConfig config = RandomConfig(GetParam().shape);
  Recipe recipe{};
  recipe.training_seqlen = GetParam().seqlen;
  recipe.batch_size = 1;
  recipe.method = Method::kGptq;
  constexpr int64_t kChunks = int64_t{4} * (8 << 20);  // what samples are read or written through
  for (const auto& [kind, peak] : PeaksOf(config, 1, GetParam().seqlen)) {
    constexpr TaskKind kOfOneSet[] = {TaskKind::kSearchScales, TaskKind::kGptqBlock, TaskKind::kFitRounding};
    const bool has_one = std::find(std::begin(kOfOneSet), std::end(kOfOneSet), kind) != std::end(kOfOneSet);
    const int64_t sets = kind == TaskKind::kWeightError ? 0 : has_one ? 1 : 2;
    const int64_t chunks = sets * kChunks;
    const int64_t estimate = coordinator::TaskMemoryBytes(kind, config, recipe) - chunks;
    std::printf("%s: %ld MiB of at most %ld\n", std::string(TaskKindName(kind)).c_str(), static_cast<long>(peak >> 20),
                static_cast<long>(estimate >> 20));
    EXPECT_LE(peak, estimate) << TaskKindName(kind);
    EXPECT_GE(static_cast<double>(peak), 0.4 * static_cast<double>(estimate))
        << TaskKindName(kind) << ": the estimate wastes memory";
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, SensitivityEstimateTest,
                         ::testing::Values(SensitivityShape{"weights", {1024, 2816, 16, 16, 2, 16000}, 64},
                                           SensitivityShape{"tokens", {256, 704, 4, 4, 2, 32000}, 512}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace lwq::qat
