// SPDX-License-Identifier: Apache-2.0
// E2E-QP as a chain of tasks.
#include <limits>

#include "common/export/block_checkpoint.h"
#include "tests/unit/worker/tasks_fixture.h"
#include "worker/tasks/scale_state.h"

namespace lwq::worker {
namespace {

constexpr int64_t kSteps = 4;

class TrainScalesTaskTest : public TasksTest {
 protected:
  void SetUp() override {
    TasksTest::SetUp();
    inputs_["model"] = model_;
    inputs_["tokens"] =
        Run(TaskKind::kTokenize, Windows().ToJson(), {{"tokenizer", model_}, {"text", text_}}).outputs.at("tokens");
    for (int64_t block = 0; block < kBlocks; ++block) {
      inputs_[absl::StrCat("block.", block)] =
          Run(TaskKind::kRtnBlock, RtnBlockParams{block, 2, 32, true, true}.ToJson(), {{"model", model_}})
              .outputs.at("block");
    }
  }

  static TrainScalesParams Segment(int64_t first_step, int64_t steps) {
    return {.blocks = kBlocks,
            .train_size = 8,
            .val_size = 2,
            .batch_size = 2,
            .first_step = first_step,
            .steps = steps,
            .total_steps = kSteps,
            .lr = 1e-3,
            .warmup_ratio = 0.03,
            .clip_grad = 0.3};
  }
  std::map<std::string, ArtifactRef> After(const ArtifactRef& state) const {
    std::map<std::string, ArtifactRef> inputs = inputs_;
    inputs["state"] = state;
    return inputs;
  }
  std::map<std::string, ArtifactRef> Trained(const TaskResult& last) const {
    std::map<std::string, ArtifactRef> inputs = inputs_;
    inputs["block.0"] = last.outputs.at("block");
    inputs["block.1"] = last.outputs.at("block.1");
    return inputs;
  }

  std::map<std::string, ArtifactRef> inputs_;
};

TEST_F(TrainScalesTaskTest, SegmentsOfSeveralWorkersEndInTheCheckpointsOfOne) {
  const TaskResult whole = Run(TaskKind::kTrainScales, Segment(0, kSteps).ToJson(), inputs_);
  const TaskResult first = Run(TaskKind::kTrainScales, Segment(0, 1).ToJson(), inputs_);
  ASSERT_EQ(first.outputs.size(), 1u);
  // Lost and done again by another worker: the same state.
  EXPECT_EQ(Run(TaskKind::kTrainScales, Segment(0, 1).ToJson(), inputs_).outputs, first.outputs);
  const TaskResult last =
      Run(TaskKind::kTrainScales, Segment(1, kSteps - 1).ToJson(), After(first.outputs.at("state")));
  EXPECT_EQ(last.outputs, whole.outputs);
  EXPECT_EQ(last.metrics["final_val_loss"], whole.metrics["final_val_loss"]);
  EXPECT_EQ(first.metrics["initial_val_loss"], whole.metrics["initial_val_loss"]);
  EXPECT_TRUE(last.metrics["initial_val_loss"].is_null());
  EXPECT_EQ(first.metrics["train_losses"][0], whole.metrics["train_losses"][0]);
  EXPECT_EQ(last.metrics["train_losses"][0], whole.metrics["train_losses"][1]);
}

TEST_F(TrainScalesTaskTest, TrainedCheckpointsKeepCodesAndZeroPointsAndAreEvaluatedAndExported) {
  const TaskResult last = Run(TaskKind::kTrainScales, Segment(0, kSteps).ToJson(), inputs_);
  const std::map<std::string, ArtifactRef> trained = Trained(last);
  for (int64_t block = 0; block < kBlocks; ++block) {
    const std::string role = absl::StrCat("block.", block);
    const auto before = qat::LoadBlockCheckpoint(artifacts_, inputs_.at(role));
    const auto after = qat::LoadBlockCheckpoint(artifacts_, trained.at(role));
    ASSERT_TRUE(before.ok() && after.ok());
    for (const LinearKind kind : kAllLinears) {
      const auto& was = std::get<qat::QuantizedLinear>(before->linears.at(kind));
      const auto& is = std::get<qat::QuantizedLinear>(after->linears.at(kind));
      EXPECT_EQ(is.codes.bytes.view(), was.codes.bytes.view()) << LinearName(kind);
      EXPECT_EQ(is.zeros.bytes.view(), was.zeros.bytes.view()) << LinearName(kind);
      EXPECT_NE(is.scales.bytes.view(), was.scales.bytes.view()) << LinearName(kind);
    }
  }
  const double direct = PerplexityOf(Evaluate(trained)).value;
  EXPECT_NE(direct, PerplexityOf(Evaluate(inputs_)).value);
  std::map<std::string, ArtifactRef> blocks = trained;
  blocks.erase("tokens");
  const TaskResult exported = Run(TaskKind::kExport, ExportParams{ExportFormat::kGptqV2}.ToJson(), blocks);
  const Json served = Evaluate({{"model", exported.outputs.at("files")}, {"tokens", inputs_.at("tokens")}});
  EXPECT_DOUBLE_EQ(PerplexityOf(served).value, direct);
}

TEST_F(TrainScalesTaskTest, WithoutValidationWindowsLossesOfThemAreNull) {
  TrainScalesParams params = Segment(0, 1);
  params.val_size = 0;
  const TaskResult first = Run(TaskKind::kTrainScales, params.ToJson(), inputs_);
  EXPECT_TRUE(first.metrics["initial_val_loss"].is_null());
  EXPECT_TRUE(first.metrics["final_val_loss"].is_null());
}

TEST_F(TrainScalesTaskTest, ALossThatIsNoNumberIsADivergenceThatNamesStepAndRate) {
  std::map<std::string, ArtifactRef> inputs = inputs_;
  inputs["model"] = ModelWithFinalNorm(directory_.path() + "/broken", std::numeric_limits<float>::infinity());
  const StatusOr<TaskOutcome> outcome = Try(TaskKind::kTrainScales, Segment(0, kSteps).ToJson(), inputs);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_TRUE(outcome->diverged.has_value());
  EXPECT_TRUE(outcome->result.outputs.empty());
  EXPECT_NE(outcome->diverged->message.find("training of scales diverged: step 1 of 4, e2e_lr 0.001, loss"),
            std::string::npos)
      << outcome->diverged->message;
}

TEST_F(TrainScalesTaskTest, DamagedStatesAndThoseOfAnotherStepAreOneLineErrors) {
  const ArtifactRef state = Run(TaskKind::kTrainScales, Segment(0, 1).ToJson(), inputs_).outputs.at("state");
  const Status skipped = Try(TaskKind::kTrainScales, Segment(2, 2).ToJson(), After(state)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(skipped)) << skipped;
  EXPECT_EQ(skipped.message(), "train_scales from step 2 on was given a state after 1 steps");
  const Status damaged = Try(TaskKind::kTrainScales, Segment(1, 1).ToJson(), After(text_)).status();
  EXPECT_TRUE(absl::IsDataLoss(damaged)) << damaged;
  EXPECT_NE(damaged.message().find("is not a state of E2E-QP"), std::string::npos) << damaged;
  const auto loaded = LoadScaleState(artifacts_, state);
  ASSERT_TRUE(loaded.ok());
  qat::ScaleState fewer = *loaded;
  fewer.blocks.pop_back();
  const auto published = PublishScaleState(artifacts_, fewer);
  ASSERT_TRUE(published.ok());
  const Status misfit = Try(TaskKind::kTrainScales, Segment(1, 1).ToJson(), After(*published)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(misfit)) << misfit;
  std::map<std::string, ArtifactRef> one_block = inputs_;
  one_block.erase("block.1");
  EXPECT_TRUE(absl::IsInternal(Try(TaskKind::kTrainScales, Segment(0, 1).ToJson(), one_block).status()));
  TrainScalesParams more = Segment(0, 1);
  more.blocks = 3;
  EXPECT_TRUE(absl::IsInvalidArgument(Try(TaskKind::kTrainScales, more.ToJson(), inputs_).status()));
  TrainScalesParams beyond = Segment(0, 1);
  beyond.train_size = 100;
  beyond.batch_size = 50;
  EXPECT_FALSE(Try(TaskKind::kTrainScales, beyond.ToJson(), inputs_).ok());
}

}  // namespace
}  // namespace lwq::worker
