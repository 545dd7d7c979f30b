// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/api/train_memory.h"

#include <algorithm>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "coordinator/plan/cost/memory.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/api/execution.h"
#include "worker/qat/model/products.h"

namespace lwq::qat {
namespace {

struct MemoryCase {
  const char* name;
  Shape shape;
  int64_t batch;
  int64_t accumulation;
  int64_t seqlen;
  int bits;
  int64_t group_size;
  Precision precision;
  bool keep_latent = false;
  std::vector<QuantChoice> rest = {};
  std::optional<bool> widens_products = {};  // unless the CPU decides
};

void PrintTo(const MemoryCase& test_case, std::ostream* os) {
  *os << test_case.name;
}

class TrainMemoryTest : public ::testing::TestWithParam<MemoryCase> {
 protected:
  // The peak above what the inputs take, of one short training with validation and keep_best.
  // Recomputes from the beginning.
  class Recomputing final : public LearntMemory {
   public:
    bool Recomputes(std::string_view) const override { return true; }
    void DidNotFit(std::string_view, const Status&, int64_t, int64_t) override {}
  };

  static int64_t MeasuredBytes(const LlamaConfig& config, const TrainOptions& options, int64_t seqlen,
                               LearntMemory* learnt = nullptr) {
    std::vector<BlockState> unit;
    for (size_t i = 0; i < UnitChoices(options).size(); ++i) unit.push_back(RandomBlock(config, 5 + 100 * i));
    TrainingSet data = RandomTrainingSet(config, unit, options.batch_size, 1, seqlen, 6);
    const int64_t before = CurrentMemoryUse().current_bytes;
    ResetPeakMemoryUse();
    const CancelToken cancel;
    const auto outcome = TrainBlock(config, unit, data.inputs(), options, nullptr, cancel, nullptr, learnt);
    LWQ_CHECK(outcome.ok(), outcome.status().ToString());
    return CurrentMemoryUse().peak_bytes - before;
  }
};

TEST_P(TrainMemoryTest, TheMeasuredPeakObeysTheEstimateAndTheEstimateIsClose) {
  const MemoryCase& test_case = GetParam();
  std::optional<ScopedWidenedProducts> products;
  if (test_case.widens_products) products.emplace(*test_case.widens_products);
  const LlamaConfig config = RandomConfig(test_case.shape);
  TrainOptions options;
  options.weight_lr = 1e-5;
  options.bits = test_case.bits;
  options.group_size = test_case.group_size;
  options.batch_size = test_case.batch;
  options.gradient_accumulation_steps = test_case.accumulation;
  options.execution.precision = test_case.precision;
  options.keep_latent = test_case.keep_latent;
  options.rest = test_case.rest;
  const int64_t estimate = EstimateTrainMemoryBytes(config, options, test_case.seqlen);
  const int64_t measured = MeasuredBytes(config, options, test_case.seqlen);
  RecordProperty("measured_mib", static_cast<int>(measured >> 20));
  RecordProperty("estimate_mib", static_cast<int>(estimate >> 20));
  EXPECT_LE(measured, estimate);
  EXPECT_GE(static_cast<double>(measured), 0.8 * static_cast<double>(estimate)) << "the estimate wastes memory";
  // The contract of train_block.h, whatever the estimate says.
  const int64_t blocks = 1 + static_cast<int64_t>(options.rest.size());
  const int64_t weights = 4 * blocks * BlockParameters(config);
  EXPECT_LE(measured, 7 * weights + EstimateActivationBytes(config, options, test_case.seqlen));
  // What the coordinator places the task by, less the stored samples' chunks, which are not measured here.
  Recipe recipe;
  recipe.batch_size = test_case.batch;
  recipe.gradient_accumulation_steps = test_case.accumulation;
  recipe.training_seqlen = test_case.seqlen;
  const int64_t chunks = 4 * std::max<int64_t>(8 << 20, test_case.seqlen * config.hidden_size * 4);
  EXPECT_LE(measured, coordinator::TrainMemoryBytes(config, recipe, blocks) - chunks);
  // And that is what it must have: with all activations kept or recomputed, it fits.
  Recomputing recomputing;
  const int64_t recomputed = MeasuredBytes(config, options, test_case.seqlen, &recomputing);
  RecordProperty("recomputed_mib", static_cast<int>(recomputed >> 20));
  EXPECT_LE(std::min(measured, recomputed), coordinator::LeastTrainMemoryBytes(config, recipe, blocks) - chunks);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, TrainMemoryTest,
    ::testing::Values(
        MemoryCase{"hidden1024", {1024, 2816, 16, 16}, 1, 1, 128, 4, 128, Precision::kF32},
        MemoryCase{"hidden1024bf16", {1024, 2816, 16, 4}, 1, 1, 128, 2, 64, Precision::kBF16},
        MemoryCase{"hidden1024latent", {1024, 2816, 16, 16}, 1, 1, 128, 4, 128, Precision::kF32, true},
        MemoryCase{"long", {256, 704, 4, 4}, 2, 1, 700, 3, -1, Precision::kF32},
        MemoryCase{"longbf16", {256, 704, 4, 2}, 2, 1, 700, 3, -1, Precision::kBF16},
        MemoryCase{"biasesandheadnorms", {1024, 2816, 16, 4, 1, 64, true}, 1, 1, 128, 4, 128, Precision::kF32},
        MemoryCase{"headnormslong", {256, 704, 4, 4, 1, 64, true}, 2, 1, 700, 3, -1, Precision::kF32},
        MemoryCase{"headnormslongbf16widened",
                   {256, 704, 4, 2, 1, 64, true},
                   2,
                   1,
                   700,
                   3,
                   -1,
                   Precision::kBF16,
                   false,
                   {},
                   true},
        MemoryCase{
            "headnormslongbf16", {256, 704, 4, 2, 1, 64, true}, 2, 1, 700, 3, -1, Precision::kBF16, false, {}, false},
        MemoryCase{"accumulated", {256, 704, 8, 8}, 4, 4, 256, 4, 64, Precision::kF32},
        MemoryCase{"smallgroups", {256, 512, 8, 8}, 1, 1, 64, 2, 32, Precision::kF32},
        MemoryCase{"unitoftwo", {1024, 2816, 16, 16}, 1, 1, 128, 4, 128, Precision::kF32, false, {{2, 64}}},
        MemoryCase{"unitoftwobf16", {1024, 2816, 16, 4}, 1, 1, 128, 2, 64, Precision::kBF16, true, {{4, 128}}},
        MemoryCase{"unitofthreelong", {256, 704, 4, 4}, 2, 1, 700, 3, -1, Precision::kF32, false, {{2, 32}, {4, 64}}},
        MemoryCase{
            "unitofthreelongbf16", {256, 704, 4, 2}, 2, 1, 700, 3, -1, Precision::kBF16, false, {{2, 32}, {4, 64}}},
        MemoryCase{"unitoftwoaccumulated", {256, 704, 8, 8}, 4, 4, 256, 4, 64, Precision::kF32, false, {{4, 64}}}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace lwq::qat
