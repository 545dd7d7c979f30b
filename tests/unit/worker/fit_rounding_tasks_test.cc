// SPDX-License-Identifier: Apache-2.0
// SignRound and OmniQuant as tasks: their artifacts are those of every other quantized block.
#include "tests/unit/worker/tasks_fixture.h"

namespace lwq::worker {
namespace {

class FitRoundingTasksTest : public TasksTest {
 protected:
  void SetUp() override {
    TasksTest::SetUp();
    data_ = InputsOfBothBlocks();
    target_ =
        Run(TaskKind::kAdvance, AdvanceParams{0, 2, "F32"}.ToJson(), {{"model", model_}, {"activations", data_.in}})
            .outputs.at("activations");
    inputs_ = {{"model", model_}, {"inputs", data_.in}, {"targets", target_}};
  }
  static FitRoundingParams Params(RoundingFit fit) {
    FitRoundingParams params{.fit = fit, .train_size = 8, .val_size = 2, .bits = 2, .group_size = 32, .steps = 12};
    params.batch_size = 4;
    params.offset_lr = fit == RoundingFit::kSignRound ? 1.0 / 12 : 0;
    params.range_lr = fit == RoundingFit::kSignRound ? 1.0 / 12 : 0.1;
    params.keep_latent = true;
    return params;
  }
  TaskResult Fit(RoundingFit fit) { return Run(TaskKind::kFitRounding, Params(fit).ToJson(), inputs_); }

  UnitInputs data_;
  ArtifactRef target_;
  std::map<std::string, ArtifactRef> inputs_;
};

TEST_F(FitRoundingTasksTest, ABlockIsTheSameEachTimeAndItsMetricsSayWhatTheLossesWere) {
  const RtnBlockParams rtn{.block = 0, .bits = 2, .group_size = 32};
  const ArtifactRef nearest = Run(TaskKind::kRtnBlock, rtn.ToJson(), {{"model", model_}}).outputs.at("block");
  for (const RoundingFit fit : {RoundingFit::kSignRound, RoundingFit::kOmniQuant}) {
    const TaskResult result = Fit(fit), again = Fit(fit);
    EXPECT_EQ(result.outputs, again.outputs);
    EXPECT_NE(result.outputs.at("block"), nearest);
    EXPECT_EQ(result.metrics["steps"], 12);
    EXPECT_EQ(result.metrics["validations"].size(), 6u) << "a pass is two steps";
    EXPECT_LT(result.metrics["final_val_loss"].get<double>(), result.metrics["initial_val_loss"].get<double>());
    EXPECT_EQ(result.metrics["final_val_loss"], result.metrics["best_val_loss"]);
    FitRoundingParams params = Params(fit);
    params.steps = 0;
    params.keep_latent = false;
    params.val_size = 0;
    const TaskResult rounded = Run(TaskKind::kFitRounding, params.ToJson(), inputs_);
    EXPECT_EQ(rounded.outputs, (std::map<std::string, ArtifactRef>{{"block", nearest}}));
    EXPECT_TRUE(rounded.metrics["initial_val_loss"].is_null());
  }
}

TEST_F(FitRoundingTasksTest, ATrainingGoesOnFromItAndBeginsWhereItEnded) {
  for (const RoundingFit fit : {RoundingFit::kSignRound, RoundingFit::kOmniQuant}) {
    const TaskResult start = Fit(fit);
    std::map<std::string, ArtifactRef> from_fit = inputs_;
    from_fit["start"] = start.outputs.at("block");
    from_fit["latent"] = start.outputs.at("latent");
    const TaskResult trained = Run(TaskKind::kTrainBlock, Train(0).ToJson(), from_fit);
    const double ended = start.metrics["final_val_loss"].get<double>();
    EXPECT_NEAR(trained.metrics["initial_val_loss"].get<double>(), ended, 1e-4 * ended);
    EXPECT_LE(trained.metrics["final_val_loss"].get<double>(), trained.metrics["initial_val_loss"].get<double>());
  }
}

TEST_F(FitRoundingTasksTest, APreparedBlockIsRoundedWithItsScalesWorkedIn) {
  const SearchScalesParams search{0, 6, 2, 3, 32, 20};
  std::map<std::string, ArtifactRef> prepared = inputs_;
  prepared["scales.0"] = Run(TaskKind::kSearchScales, search.ToJson(), {{"model", model_}, {"activations", data_.in}})
                             .outputs.at("scales");
  const TaskResult result = Run(TaskKind::kFitRounding, Params(RoundingFit::kSignRound).ToJson(), prepared);
  const TaskResult plain = Fit(RoundingFit::kSignRound);
  EXPECT_NE(result.outputs.at("block"), plain.outputs.at("block"));
  EXPECT_LT(result.metrics["final_val_loss"].get<double>(), 2 * plain.metrics["final_val_loss"].get<double>())
      << "scales that were worked in twice or not at all would be far off";
}

TEST_F(FitRoundingTasksTest, BadParametersAndInputsAreOneLineErrors) {
  const auto refused = [&](const FitRoundingParams& params) {
    return Try(TaskKind::kFitRounding, params.ToJson(), inputs_).status();
  };
  FitRoundingParams params = Params(RoundingFit::kSignRound);
  params.block = 7;
  EXPECT_TRUE(absl::IsInvalidArgument(refused(params))) << "no such block";
  params = Params(RoundingFit::kSignRound);
  params.train_size = 11;
  EXPECT_FALSE(refused(params).ok()) << "no such samples";
  params = Params(RoundingFit::kSignRound);
  params.group_size = 48;
  EXPECT_TRUE(absl::IsInvalidArgument(refused(params)));
  Json unknown = Params(RoundingFit::kOmniQuant).ToJson();
  unknown["fit"] = "adaround";
  EXPECT_TRUE(absl::IsInvalidArgument(Try(TaskKind::kFitRounding, unknown, inputs_).status()));
  const Json whole = Params(RoundingFit::kSignRound).ToJson();
  EXPECT_TRUE(absl::IsInternal(Try(TaskKind::kFitRounding, whole, {{"model", model_}}).status()));
}

}  // namespace
}  // namespace lwq::worker
