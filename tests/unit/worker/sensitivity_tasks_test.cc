// SPDX-License-Identifier: Apache-2.0
// Tasks that measure sensitivity.
#include <cmath>

#include "common/export/block_checkpoint.h"
#include "tests/unit/worker/tasks_fixture.h"

namespace lwq::worker {
namespace {

// The calibration windows of a run through the model: what its sensitivity is measured on.
class SensitivityTasksTest : public TasksTest {
 protected:
  static constexpr int64_t kSamples = 5;

  void SetUp() override {
    TasksTest::SetUp();
    tokens_ =
        Run(TaskKind::kTokenize, Windows().ToJson(), {{"tokenizer", model_}, {"text", text_}}).outputs.at("tokens");
    activations_.push_back(Run(TaskKind::kEmbed, EmbedParams{"F32"}.ToJson(), {{"model", model_}, {"tokens", tokens_}})
                               .outputs.at("activations"));
    for (int64_t block = 0; block < kBlocks; ++block) {
      activations_.push_back(Run(TaskKind::kAdvance, AdvanceParams{block, 2, "F32"}.ToJson(),
                                 {{"model", model_}, {"activations", activations_.back()}})
                                 .outputs.at("activations"));
    }
  }

  // One shard from the loss back to the first block.
  struct ShardResult {
    std::vector<double> losses;
    std::map<int64_t, ArtifactRef> gradients;      // G(1) … G(n)
    std::map<int64_t, ArtifactRef> sums;           // by block
    std::map<int64_t, std::vector<double>> norms;  // by block
  };
  ShardResult Measure(int64_t first, int64_t samples) {
    ShardResult shard;
    const TaskResult head = Run(TaskKind::kLossGradient, LossGradientParams{first, samples}.ToJson(),
                                {{"model", model_}, {"activations", activations_[kBlocks]}, {"tokens", tokens_}});
    shard.losses = head.metrics["losses"].get<std::vector<double>>();
    shard.gradients[kBlocks] = head.outputs.at("gradients");
    for (int64_t block = kBlocks - 1; block >= 0; --block) {
      const TaskResult found =
          Run(TaskKind::kBackwardBlock, BackwardBlockParams{block, first, samples, true}.ToJson(),
              {{"model", model_}, {"activations", activations_[block]}, {"gradients", shard.gradients.at(block + 1)}});
      shard.norms[block] = found.metrics["squared_gradient_norms"].get<std::vector<double>>();
      shard.sums[block] = found.outputs.at("gradient_sum");
      EXPECT_EQ(found.outputs.contains("gradients"), block > 0) << "nobody reads the gradient of the embedding";
      if (block > 0) shard.gradients[block] = found.outputs.at("gradients");
    }
    return shard;
  }
  std::vector<double> Hessian(int64_t first_block, int64_t blocks, int64_t first, int64_t samples,
                              const ShardResult& shard) {
    std::map<std::string, ArtifactRef> inputs = {{"model", model_}, {"tokens", tokens_}};
    for (int64_t k = first_block; k <= kBlocks; ++k) inputs[absl::StrCat("activations.", k)] = activations_[k];
    for (int64_t k = first_block + 1; k <= kBlocks; ++k) {
      inputs[absl::StrCat("gradients.", k)] = shard.gradients.at(k);
    }
    const HessianParams params{first_block, blocks, 0, 3, first, samples};
    return Run(TaskKind::kHessian, params.ToJson(), inputs).metrics["curvatures"].get<std::vector<double>>();
  }
  OutputFisherParams Fisher(int64_t block) const {
    OutputFisherParams params;
    params.block = block;
    params.samples = kSamples;
    params.choices = {{2, 32}, {3, 32}, {4, 32}};
    return params;
  }
  LossDeltaParams Delta(int64_t block) const {
    LossDeltaParams params;
    params.block = block;
    params.samples = kSamples;
    params.choices = {{2, 32}, {3, 32}};
    return params;
  }
  ArtifactRef Rounded(int64_t block, int bits) {
    return Run(TaskKind::kRtnBlock, RtnBlockParams{block, bits, 32, true, true}.ToJson(), {{"model", model_}})
        .outputs.at("block");
  }

  ArtifactRef tokens_;
  std::vector<ArtifactRef> activations_;  // A(0) … A(n)
};

TEST_F(SensitivityTasksTest, ShardsMeasureWhatTheWholeSetDoes) {
  const ShardResult all = Measure(0, kSamples), first = Measure(0, 2), second = Measure(2, kSamples - 2);
  const auto joined = [](std::vector<double> a, const std::vector<double>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  EXPECT_EQ(joined(first.losses, second.losses), all.losses);
  for (int64_t block = 0; block < kBlocks; ++block) {
    EXPECT_EQ(joined(first.norms.at(block), second.norms.at(block)), all.norms.at(block));
    const Json params = GradientNormParams{kSamples}.ToJson();
    const double sharded =
        Run(TaskKind::kGradientNorm, params, {{"sum.0", first.sums.at(block)}, {"sum.1", second.sums.at(block)}})
            .metrics["gradient_norm"];
    const double whole = Run(TaskKind::kGradientNorm, params, {{"sum.0", all.sums.at(block)}}).metrics["gradient_norm"];
    EXPECT_NEAR(sharded, whole, 1e-6 * whole);
  }
  const std::vector<double> whole = Hessian(0, kBlocks, 0, kSamples, all);
  const std::vector<double> a = Hessian(0, kBlocks, 0, 2, first), b = Hessian(0, kBlocks, 2, kSamples - 2, second);
  ASSERT_EQ(whole.size(), static_cast<size_t>(kBlocks));
  for (int64_t block = 0; block < kBlocks; ++block) {
    EXPECT_NEAR(a[block] + b[block], whole[block], 1e-9 * std::abs(whole[block]));
  }
}

TEST_F(SensitivityTasksTest, TheGradientNormOfOneSampleIsTheRootOfItsSquaredNorm) {
  const ShardResult one = Measure(3, 1);
  for (int64_t block = 0; block < kBlocks; ++block) {
    const double norm = Run(TaskKind::kGradientNorm, GradientNormParams{1}.ToJson(), {{"sum.0", one.sums.at(block)}})
                            .metrics["gradient_norm"];
    EXPECT_NEAR(norm, std::sqrt(one.norms.at(block).at(0)), 1e-9 * norm);
  }
}

TEST_F(SensitivityTasksTest, TheCurvatureOfTheLastBlockDoesNotNeedTheOthers) {
  const ShardResult all = Measure(0, kSamples);
  EXPECT_EQ(Hessian(kBlocks - 1, 1, 0, kSamples, all).size(), 1u);
}

TEST_F(SensitivityTasksTest, TablesAreMeasuredAgainstTheBlockAsItIsAndRoundedFromTheModels) {
  const ShardResult all = Measure(0, kSamples);
  std::map<std::string, ArtifactRef> inputs = {
      {"model", model_}, {"activations", activations_[0]}, {"gradients", all.gradients.at(1)}};
  const auto full = Run(TaskKind::kOutputFisher, Fisher(0).ToJson(), inputs).metrics["sums"].get<std::vector<double>>();
  ASSERT_EQ(full.size(), 3u);
  EXPECT_GT(full[0], full[1]);
  EXPECT_GT(full[1], full[2]);
  EXPECT_GT(full[2], 0);
  inputs["block"] = Rounded(0, 3);
  const Json of_rounded = Run(TaskKind::kOutputFisher, Fisher(0).ToJson(), inputs).metrics["sums"];
  EXPECT_EQ(of_rounded[1], 0.0) << "the block is that candidate";
  EXPECT_GT(of_rounded[0].get<double>(), 0.0);
}

TEST_F(SensitivityTasksTest, TheLossDeltaOfACheckpointIsThatOfTheSameChoice) {
  const ShardResult all = Measure(0, kSamples);
  LossDeltaParams params = Delta(0);
  params.candidates = 1;
  std::map<std::string, ArtifactRef> inputs = {
      {"model", model_}, {"activations", activations_[0]}, {"tokens", tokens_}, {"candidate.0", Rounded(0, 3)}};
  const Json found = Run(TaskKind::kLossDelta, params.ToJson(), inputs).metrics;
  double loss_sum = 0;
  for (const double loss : all.losses) loss_sum += loss;
  EXPECT_NEAR(found["loss_sum"].get<double>(), loss_sum, 1e-6 * loss_sum);
  ASSERT_EQ(found["loss_sums"].size(), 3u);
  EXPECT_EQ(found["loss_sums"][1], found["loss_sums"][2]);
  EXPECT_NE(found["loss_sums"][0], found["loss_sum"]);
  // A later block at its present state: another model, another loss.
  inputs["block.1"] = Rounded(1, 2);
  const Json later = Run(TaskKind::kLossDelta, params.ToJson(), inputs).metrics;
  EXPECT_NE(later["loss_sum"], found["loss_sum"]);
  // The block itself at its present state: the model as it is has that candidate's loss.
  inputs.erase("block.1");
  inputs["block.0"] = inputs["candidate.0"];
  const Json itself = Run(TaskKind::kLossDelta, params.ToJson(), inputs).metrics;
  EXPECT_EQ(itself["loss_sum"], found["loss_sums"][1]);
  EXPECT_EQ(itself["loss_sums"], found["loss_sums"]);
}

TEST_F(SensitivityTasksTest, WeightErrorsNeedTheModelAlone) {
  WeightErrorParams params;
  params.choices = {{2, 32}, {4, 32}, {8, 32}};
  const auto errors = Run(TaskKind::kWeightError, params.ToJson(), {{"model", model_}})
                          .metrics["squared_errors"]
                          .get<std::vector<double>>();
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_GT(errors[0], 10 * errors[1]);
  EXPECT_GT(errors[1], 10 * errors[2]);
  EXPECT_GT(errors[2], 0);
}

TEST_F(SensitivityTasksTest, ShardsOutsideTheSetAndForeignArtifactsAreRefused) {
  const auto loss_gradient = [&](int64_t first, int64_t samples) {
    return Try(TaskKind::kLossGradient, LossGradientParams{first, samples}.ToJson(),
               {{"model", model_}, {"activations", activations_[kBlocks]}, {"tokens", tokens_}})
        .status();
  };
  EXPECT_TRUE(absl::IsInvalidArgument(loss_gradient(8, 3))) << "ten windows";
  EXPECT_TRUE(absl::IsInvalidArgument(loss_gradient(-1, 1)));
  EXPECT_TRUE(absl::IsInvalidArgument(loss_gradient(0, 0)));
  const Json norm = GradientNormParams{kSamples}.ToJson();
  EXPECT_TRUE(absl::IsDataLoss(Try(TaskKind::kGradientNorm, norm, {{"sum.0", tokens_}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Try(TaskKind::kGradientNorm, norm, {}).status()));
  EXPECT_EQ(Try(TaskKind::kGradientNorm, norm, {{"sum.1", tokens_}}).status().message(),
            "gradient_norm came without its input 'sum.0'");
}

TEST_F(SensitivityTasksTest, ADamagedGradientSumIsDataLoss) {
  const ShardResult one = Measure(0, 1);
  const Manifest good = *LoadManifest(artifacts_, one.sums.at(0));
  const Json norm = GradientNormParams{1}.ToJson();
  const auto refused = [&](const Manifest& manifest) {
    const StatusOr<ArtifactRef> ref = artifacts_.Publish(manifest);
    LWQ_CHECK(ref.ok(), ref.status().ToString());
    return absl::IsDataLoss(Try(TaskKind::kGradientNorm, norm, {{"sum.0", *ref}}).status());
  };
  Manifest bad = good;
  bad.parts.pop_back();
  EXPECT_TRUE(refused(bad)) << "six linears";
  bad = good;
  std::swap(bad.parts[0].blob, bad.parts[4].blob);
  EXPECT_TRUE(refused(bad)) << "another size than the shape's";
  bad = good;
  bad.meta["linears"]["self_attn.q_proj"] = "wide";
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.meta = Json::object();
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.kind = "block";
  EXPECT_TRUE(refused(bad));
  EXPECT_FALSE(refused(good));
}

}  // namespace
}  // namespace lwq::worker
