// SPDX-License-Identifier: Apache-2.0
// Tasks of a model whose blocks are prepared.
#include "common/export/fake_quant/fake_quant_weight.h"
#include "tests/unit/worker/tasks_fixture.h"

namespace lwq::worker {
namespace {

// A model whose blocks are scaled before they are rounded.
class PreparedTasksTest : public TasksTest {
 protected:
  static constexpr int64_t kSamples = 6;

  static SearchScalesParams Search(int64_t block) { return {block, kSamples, 2, 3, 32, 20}; }

  void SetUp() override {
    TasksTest::SetUp();
    data_ = InputsOfBothBlocks();
    ArtifactRef hidden = data_.in;
    for (int64_t block = 0; block < kBlocks; ++block) {
      searches_.push_back(
          Run(TaskKind::kSearchScales, Search(block).ToJson(), {{"model", model_}, {"activations", hidden}}));
      scales_[absl::StrCat("scales.", block)] = searches_.back().outputs.at("scales");
      hidden =
          Run(TaskKind::kAdvance, AdvanceParams{block, 2, "F32"}.ToJson(), {{"model", model_}, {"activations", hidden}})
              .outputs.at("activations");
    }
  }
  // The model and the block's scales, and more.
  std::map<std::string, ArtifactRef> Scaled(int64_t block, std::map<std::string, ArtifactRef> more = {}) const {
    const std::string role = absl::StrCat("scales.", block);
    more.insert({{"model", model_}, {role, scales_.at(role)}});
    return more;
  }

  UnitInputs data_;
  std::vector<TaskResult> searches_;
  std::map<std::string, ArtifactRef> scales_;
};

TEST_F(PreparedTasksTest, ASearchSaysWhatItFoundForEachSource) {
  const Json& sources = searches_[0].metrics["sources"];
  ASSERT_EQ(sources.size(), 4u);
  const char* names[] = {"input_layernorm", "self_attn.v_proj", "post_attention_layernorm", "mlp.up_proj"};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(sources[i]["source"], names[i]);
    EXPECT_LE(sources[i]["error"].get<double>(), sources[i]["error_as_is"].get<double>());
    const double steps = 20 * sources[i]["exponent"].get<double>();
    EXPECT_NEAR(steps, std::round(steps), 1e-9);
  }
  const TaskResult again =
      Run(TaskKind::kSearchScales, Search(0).ToJson(), {{"model", model_}, {"activations", data_.in}});
  EXPECT_EQ(again.outputs, searches_[0].outputs);
  EXPECT_EQ(again.metrics, searches_[0].metrics);
}

TEST_F(PreparedTasksTest, ThePreparedModelHasTheFullPrecisionPerplexity) {
  std::map<std::string, ArtifactRef> inputs = {{"model", model_}, {"tokens", data_.tokens}};
  const double as_is = PerplexityOf(Evaluate(inputs)).value;
  inputs.insert(scales_.begin(), scales_.end());
  const double prepared = PerplexityOf(Evaluate(inputs)).value;
  EXPECT_NE(prepared, as_is) << "no scales were worked in";
  EXPECT_NEAR(prepared, as_is, 1e-5 * as_is);
}

TEST_F(PreparedTasksTest, RoundedAndTrainedBlocksHaveTheScaledNormsAndTheExportServesThem) {
  const RtnBlockParams rtn{0, 3, 32, true, true};
  const ArtifactRef plain = Run(TaskKind::kRtnBlock, rtn.ToJson(), {{"model", model_}}).outputs.at("block");
  const ArtifactRef rounded = Run(TaskKind::kRtnBlock, rtn.ToJson(), Scaled(0)).outputs.at("block");
  EXPECT_NE(rounded, plain);
  const ArtifactRef in = Run(TaskKind::kAdvance, AdvanceParams{0, 2, "F32"}.ToJson(),
                             {{"model", model_}, {"activations", data_.in}, {"block", rounded}})
                             .outputs.at("activations");
  const TaskResult trained =
      Run(TaskKind::kTrainBlock, Train(1).ToJson(), Scaled(1, {{"inputs", in}, {"targets", data_.target}}));
  EXPECT_LT(trained.metrics["final_val_loss"].get<double>(), trained.metrics["initial_val_loss"].get<double>());
  std::map<std::string, ArtifactRef> inputs = {
      {"model", model_}, {"block.0", rounded}, {"block.1", trained.outputs.at("block")}};
  for (const ExportFormat format : {ExportFormat::kGptqV2, ExportFormat::kFakeQuant}) {
    const TaskResult exported = Run(TaskKind::kExport, ExportParams{format}.ToJson(), inputs);
    const Json served = Evaluate({{"model", exported.outputs.at("files")}, {"tokens", data_.tokens}});
    std::map<std::string, ArtifactRef> direct = inputs;
    direct["tokens"] = data_.tokens;
    const Measured expected = PerplexityOf(Evaluate(direct));
    EXPECT_NEAR(PerplexityOf(served).value, expected.value,
                format == ExportFormat::kGptqV2 ? 0 : 1e-2 * expected.value);
  }
}

// A round trip through scales changes the weights' squared error as the scales say, not the function.
TEST_F(PreparedTasksTest, MeasurementsAreOfTheScaledWeights) {
  const WeightErrorParams params{0, {{2, 32}}, true, true};
  const auto error = [&](const std::map<std::string, ArtifactRef>& inputs) {
    return Run(TaskKind::kWeightError, params.ToJson(), inputs).metrics["squared_errors"][0].get<double>();
  };
  EXPECT_NE(error(Scaled(0)), error({{"model", model_}}));
  const TaskResult head = Run(TaskKind::kLossGradient, LossGradientParams{0, 2}.ToJson(),
                              {{"model", model_}, {"activations", data_.target}, {"tokens", data_.tokens}});
  const ArtifactRef before =
      Run(TaskKind::kAdvance, AdvanceParams{0, 2, "F32"}.ToJson(), {{"model", model_}, {"activations", data_.in}})
          .outputs.at("activations");
  const auto backward = [&](std::map<std::string, ArtifactRef> inputs) {
    inputs.insert({{"activations", before}, {"gradients", head.outputs.at("gradients")}});
    return Run(TaskKind::kBackwardBlock, BackwardBlockParams{1, 0, 2, false}.ToJson(), inputs);
  };
  const TaskResult plain = backward({{"model", model_}});
  const TaskResult scaled = backward(Scaled(1));
  EXPECT_NE(scaled.metrics, plain.metrics) << "∂l/∂(W·s) is ∂l/∂W / s";
  const double distance = MeanSquaredError(scaled.outputs.at("gradients"), plain.outputs.at("gradients"), 0);
  EXPECT_LT(distance, 1e-12) << "what goes on to the block before is the same";
}

TEST_F(PreparedTasksTest, DamagedScalesAndThoseOfAnotherModelAreOneLineErrors) {
  const Json rtn = RtnBlockParams{0, 3, 32, true, true}.ToJson();
  const Status no_scales = Try(TaskKind::kRtnBlock, rtn, {{"model", model_}, {"scales.0", text_}}).status();
  EXPECT_TRUE(absl::IsDataLoss(no_scales)) << no_scales;
  EXPECT_NE(no_scales.message().find("is not a block's scales"), std::string::npos) << no_scales;
  TinyModelOptions wide;
  wide.num_hidden_layers = 1;
  wide.intermediate_size = 192;
  ASSERT_TRUE(WriteTinyModel(directory_.path() + "/wide", wide).ok());
  const ArtifactRef other = Upload(directory_.path() + "/wide");
  const Status misfit =
      Try(TaskKind::kRtnBlock, rtn, {{"model", other}, {"scales.0", scales_.at("scales.0")}}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(misfit)) << misfit;
  EXPECT_EQ(misfit.message(), "scales of mlp.up_proj are F32 [128], expected F32 [192]: they belong to another model");
  SearchScalesParams beyond = Search(0);
  beyond.samples = 11;
  EXPECT_TRUE(absl::IsInvalidArgument(
      Try(TaskKind::kSearchScales, beyond.ToJson(), {{"model", model_}, {"activations", data_.in}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      Try(TaskKind::kSearchScales, Search(7).ToJson(), {{"model", model_}, {"activations", data_.in}}).status()));
}

}  // namespace
}  // namespace lwq::worker
