// SPDX-License-Identifier: Apache-2.0
// GPTQ as a task: its artifacts are those of every other quantized block.
#include "tests/unit/worker/tasks_fixture.h"

namespace lwq::worker {
namespace {

class GptqTasksTest : public TasksTest {
 protected:
  void SetUp() override {
    TasksTest::SetUp();
    data_ = InputsOfBothBlocks();
  }
  static GptqBlockParams Params(int64_t block) {
    return {.block = block, .samples = 8, .bits = 2, .group_size = 32, .keep_latent = true};
  }
  TaskResult Gptq(int64_t block, const ArtifactRef& activations) {
    return Run(TaskKind::kGptqBlock, Params(block).ToJson(), {{"model", model_}, {"activations", activations}});
  }
  ArtifactRef Advanced(const ArtifactRef& activations, const ArtifactRef& block) {
    return Run(TaskKind::kAdvance, AdvanceParams{0, 2, "F32"}.ToJson(),
               {{"model", model_}, {"activations", activations}, {"block", block}})
        .outputs.at("activations");
  }

  UnitInputs data_;
};

TEST_F(GptqTasksTest, ABlockIsTheSameEachTimeAndItsMetricsSayWhatCameOfEveryLinear) {
  const TaskResult result = Gptq(0, data_.in), again = Gptq(0, data_.in);
  EXPECT_EQ(result.outputs, again.outputs);
  EXPECT_EQ(result.metrics, again.metrics);
  const Json& linears = result.metrics["linears"];
  ASSERT_EQ(linears.size(), 7u);
  EXPECT_EQ(linears[0]["linear"], "self_attn.q_proj");
  for (const Json& linear : linears) {
    EXPECT_GT(linear["error"].get<double>(), 0);
    EXPECT_EQ(linear["damp_percent"], 0.01);
    EXPECT_EQ(linear["dead_columns"], 0);
  }
  GptqBlockParams params = Params(0);
  params.keep_latent = false;
  const TaskResult alone = Run(TaskKind::kGptqBlock, params.ToJson(), {{"model", model_}, {"activations", data_.in}});
  EXPECT_EQ(alone.outputs, (std::map<std::string, ArtifactRef>{{"block", result.outputs.at("block")}}));
}

TEST_F(GptqTasksTest, TheQuantizedModelIsEvaluatedAndExportedLikeEveryOther) {
  const ArtifactRef first = Gptq(0, data_.in).outputs.at("block");
  const ArtifactRef second = Gptq(1, Advanced(data_.in, first)).outputs.at("block");
  const std::map<std::string, ArtifactRef> inputs = {{"model", model_}, {"block.0", first}, {"block.1", second}};
  const TaskResult exported = Run(TaskKind::kExport, ExportParams{ExportFormat::kGptqV2}.ToJson(), inputs);
  std::map<std::string, ArtifactRef> direct = inputs;
  direct["tokens"] = data_.tokens;
  const Json served = Evaluate({{"model", exported.outputs.at("files")}, {"tokens", data_.tokens}});
  EXPECT_EQ(PerplexityOf(served).value, PerplexityOf(Evaluate(direct)).value);
}

TEST_F(GptqTasksTest, ATrainingGoesOnFromItAndBeginsNearerToTheTargetThanFromTheRange) {
  const TaskResult start = Gptq(0, data_.in);
  const ArtifactRef target =
      Run(TaskKind::kAdvance, AdvanceParams{0, 2, "F32"}.ToJson(), {{"model", model_}, {"activations", data_.in}})
          .outputs.at("activations");
  const std::map<std::string, ArtifactRef> from_range = {{"model", model_}, {"inputs", data_.in}, {"targets", target}};
  std::map<std::string, ArtifactRef> from_gptq = from_range;
  from_gptq["start"] = start.outputs.at("block");
  from_gptq["latent"] = start.outputs.at("latent");
  const TaskResult trained = Run(TaskKind::kTrainBlock, Train(0).ToJson(), from_gptq);
  const TaskResult other = Run(TaskKind::kTrainBlock, Train(0).ToJson(), from_range);
  EXPECT_LT(trained.metrics["initial_val_loss"].get<double>(), other.metrics["initial_val_loss"].get<double>());
  EXPECT_LT(trained.metrics["final_val_loss"].get<double>(), trained.metrics["initial_val_loss"].get<double>());
}

TEST_F(GptqTasksTest, APreparedBlockIsRoundedWithItsScalesWorkedIn) {
  const SearchScalesParams search{0, 6, 2, 3, 32, 20};
  const ArtifactRef scales =
      Run(TaskKind::kSearchScales, search.ToJson(), {{"model", model_}, {"activations", data_.in}})
          .outputs.at("scales");
  const TaskResult prepared = Run(TaskKind::kGptqBlock, Params(0).ToJson(),
                                  {{"model", model_}, {"activations", data_.in}, {"scales.0", scales}});
  const TaskResult plain = Gptq(0, data_.in);
  EXPECT_NE(prepared.outputs.at("block"), plain.outputs.at("block"));
  const auto distance = [&](const TaskResult& result) {
    const ArtifactRef target =
        Run(TaskKind::kAdvance, AdvanceParams{0, 2, "F32"}.ToJson(), {{"model", model_}, {"activations", data_.in}})
            .outputs.at("activations");
    return MeanSquaredError(Advanced(data_.in, result.outputs.at("block")), target, 0);
  };
  EXPECT_LT(distance(prepared), 2 * distance(plain))
      << "scales that were worked in twice or not at all would be far off";
}

TEST_F(GptqTasksTest, BadParametersAndInputsAreOneLineErrors) {
  const std::map<std::string, ArtifactRef> inputs = {{"model", model_}, {"activations", data_.in}};
  const auto refused = [&](const GptqBlockParams& params) {
    return Try(TaskKind::kGptqBlock, params.ToJson(), inputs).status();
  };
  GptqBlockParams params = Params(7);
  EXPECT_TRUE(absl::IsInvalidArgument(refused(params))) << "no such block";
  params = Params(0);
  params.samples = 11;
  EXPECT_TRUE(absl::IsInvalidArgument(refused(params))) << "no such samples";
  params = Params(0);
  params.group_size = 48;
  EXPECT_TRUE(absl::IsInvalidArgument(refused(params)));
  Json unknown = Params(0).ToJson();
  unknown["act_order"] = true;
  EXPECT_TRUE(absl::IsInvalidArgument(Try(TaskKind::kGptqBlock, unknown, inputs).status()));
  EXPECT_TRUE(absl::IsInternal(Try(TaskKind::kGptqBlock, Params(0).ToJson(), {{"model", model_}}).status()));
}

}  // namespace
}  // namespace lwq::worker
