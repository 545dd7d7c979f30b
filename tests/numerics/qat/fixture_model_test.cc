// SPDX-License-Identifier: Apache-2.0
// The fixture model of this repository against an independent float64 computation (golden/make_fixture_golden.py): runs
// without any reference data.
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <numeric>

#include "common/digest/digest.h"
#include "tests/numerics/qat/reference_model.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/llama_model.h"
#include "worker/qat/model/load_block.h"

namespace lwq::qat {
namespace {

const char kModel[] = LWQ_SOURCE_DIR "/tests/fixtures/model";
const char kGolden[] = LWQ_SOURCE_DIR "/tests/numerics/golden/";

class FixtureModelTest : public ::testing::Test {
 protected:
  // Golden numbers, after a check that they belong to the model as it is.
  static Json Golden(const std::string& name) {
    Json golden = ReadJson(kGolden + name);
    EXPECT_EQ(DigestOf(ReadText(std::string(kModel) + "/model.safetensors")).hex(),
              golden["model_sha256"].get<std::string>())
        << "the fixture model was made anew: run golden/make_fixture_golden.py";
    return golden;
  }
  static std::vector<int32_t> Tokens(const Json& golden) { return golden["tokens"].get<std::vector<int32_t>>(); }
  static double MaxDifference(const at::Tensor& ours, const Json& golden) {
    const at::Tensor wanted = at::tensor(golden.get<std::vector<double>>(), at::kDouble);
    return ours.to(at::kDouble).sub(wanted).abs().max().item<double>();
  }

  MemorySamples Embedded(const std::vector<int32_t>& tokens) const {
    const auto seqlen = static_cast<int64_t>(tokens.size());
    MemorySamples windows = CutWindows(tokens, seqlen, 1);
    MemorySamples out(DType::kF32, {seqlen, model_.config.hidden_size});
    const Status status = Embed(model_.config, model_.head.embedding, windows, DType::kF32, out);
    LWQ_CHECK(status.ok(), status.ToString());
    return out;
  }
  MemorySamples Advanced(const BlockState& block, MemorySamples in) const {
    MemorySamples out(DType::kF32, in.sample_shape());
    const Status status = AdvanceBlock(model_.config, block, in, out, AdvanceOptions{}, nullptr, CancelToken{});
    LWQ_CHECK(status.ok(), status.ToString());
    return out;
  }
  static at::Tensor Values(MemorySamples samples) {
    return ToTensor(*samples.Read(0, samples.samples()), at::kFloat, at::kCPU);
  }

  ReferenceModel model_ = LoadModelDirectory(kModel);
  c10::NoGradGuard no_grad_;
};

TEST_F(FixtureModelTest, HiddenStatesAndLogitsAgreeWithTheIndependentComputation) {
  const Json golden = Golden("logits/fixture_model.json");
  MemorySamples hidden = Embedded(Tokens(golden));
  for (size_t k = 0; k < model_.blocks.size(); ++k) {
    hidden = Advanced(model_.blocks[k], hidden);
    EXPECT_LE(MaxDifference(Values(hidden)[0][-1], golden["last_hidden_after_block"][k]), 2e-4) << "block " << k;
  }
  const at::Tensor logits = Logits(model_.config, ToTensor(model_.head.final_norm, at::kFloat, at::kCPU),
                                   ToTensor(model_.head.lm_head, at::kFloat, at::kCPU), Values(hidden)[0][-1]);
  EXPECT_LE(MaxDifference(logits, golden["last_logits"]), 2e-4);
}

TEST_F(FixtureModelTest, ThePerplexityAgreesWithTheIndependentComputation) {
  const Json golden = Golden("logits/fixture_model.json");
  const auto losses = golden["next_token_loss"].get<std::vector<double>>();
  MemorySamples windows = CutWindows(Tokens(golden), static_cast<int64_t>(Tokens(golden).size()), 1);
  PerplexityOptions options;
  options.scratch_directory = ::testing::TempDir();
  const auto result = EvaluatePerplexity(
      model_.config, model_.head, [&](int64_t k) -> StatusOr<BlockState> { return model_.blocks[k]; }, windows, options,
      nullptr, CancelToken{});
  ASSERT_TRUE(result.ok()) << result.status();
  const double mean = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  EXPECT_NEAR(result->nll_sum, mean, 1e-5 * mean);
}

TEST_F(FixtureModelTest, TheLossOfRoundToNearestAgreesWithTheIndependentComputation) {
  const Json golden = Golden("blockap/fixture_rtn.json");
  MemorySamples in = Embedded(Tokens(golden));
  MemorySamples target = Advanced(model_.blocks[0], in);
  for (const Json& expected : golden["cases"]) {
    TrainOptions options;
    options.bits = expected["bits"];
    options.group_size = expected["group_size"];
    options.range_contains_zero = expected["range_contains_zero"];
    options.fp16_scales = expected["fp16_scales"];
    options.epochs = 0;
    const TrainInputs inputs = {&in, &target, &in, &target};
    const auto outcome = TrainBlock(model_.config, {model_.blocks[0]}, inputs, options, nullptr, CancelToken{});
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    const double wanted = expected["mse"];
    EXPECT_NEAR(outcome->initial_val_loss, wanted, 1e-4 * wanted) << expected;
    const at::Tensor served = Values(Advanced(outcome->blocks[0].block, in));
    EXPECT_NEAR(served.sub(Values(target)).pow(2).mean().item<double>(), wanted, 1e-4 * wanted) << expected;
  }
}

}  // namespace
}  // namespace lwq::qat
