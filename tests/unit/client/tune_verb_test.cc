// SPDX-License-Identifier: Apache-2.0
// lwq tune against a coordinator in this process, whose trials measure a valley that is known.
#include <algorithm>
#include <cmath>

#include "client/run_file/read_run_file.h"
#include "common/json/json.h"
#include "gmock/gmock.h"
#include "tests/unit/client/verb_test.h"

namespace lwq::client {
namespace {

using lwqat::v1::Sweep;
using lwqat::v1::SweepSpec;
using testing::AllOf;
using testing::HasSubstr;

constexpr int kBlocks = 4;  // rungs at 1, 3 and 4 of them
constexpr double kTaskSeconds = 10;

// Least at quant_lr 1e-3 and weight_lr 1e-4.
double Loss(const lwqat::v1::Recipe& recipe) {
  const double quant = std::log10(recipe.quant_lr()) + 3;
  const double weight = std::log10(recipe.weight_lr()) + 4;
  return 1 + quant * quant + 0.5 * weight * weight;
}

class TuneVerbTest : public VerbTest {
 protected:
  TuneVerbTest() {
    WriteInputs();
    test::WriteFile(At("tune.yaml"), "name: rates\nbase: run.yaml\ntrials: 9\n");
    sweeps_.on_submit = [this](const SweepSpec& spec, Sweep* sweep) { End(spec, sweep); };
  }

  // The run of a member, in the service.
  template <typename F>
  void With(const Sweep::Member& member, F&& change) {
    service_.With([&](test::FakeRunService& service) {
      for (lwqat::v1::Run& run : service.runs) {
        if (run.id() == member.run_id()) change(run);
      }
    });
  }

  // As halving with eta 3 does: the best third of a rung goes on. Every run costs kTaskSeconds and has one task that
  // all share.
  void End(const SweepSpec& spec, Sweep* sweep) {
    std::vector<std::pair<double, int>> order;
    for (int i = 0; i < spec.runs_size(); ++i) order.emplace_back(Loss(spec.runs(i).spec().recipe()), i);
    std::sort(order.begin(), order.end());
    for (size_t place = 0; place < order.size(); ++place) {
      const auto [loss, i] = order[place];
      const size_t rungs = place == 0 ? 3 : place < order.size() / 3 ? 2 : 1;
      Sweep::Member& member = *sweep->mutable_members(i);
      for (size_t rung = 0; rung < rungs; ++rung) member.add_rung_values(loss + static_cast<double>(rung));
      member.set_state(rungs == 3 ? lwqat::v1::RUN_STATE_SUCCEEDED : lwqat::v1::RUN_STATE_STOPPED);
      With(member, [&](lwqat::v1::Run& run) {
        run.set_state(member.state());
        for (int block = 0; block < kBlocks; ++block) run.mutable_plan()->add_blocks();
        lwqat::v1::Task& own = *run.add_tasks();
        own.set_key("own " + run.id());
        own.set_seconds(kTaskSeconds);
        lwqat::v1::Task& shared = *run.add_tasks();
        shared.set_key("shared");
        shared.set_seconds(2 * kTaskSeconds);
        shared.set_from_cache(i != 0 || sweeps_.sweeps.size() > 0);
        lwqat::v1::Task& earlier = *run.add_tasks();
        earlier.set_key("earlier");
        earlier.set_seconds(7);
        earlier.set_from_cache(true);
      });
    }
  }

  std::vector<std::string> Arguments(std::vector<std::string> more) const {
    more.insert(more.begin(), {"tune", At("tune.yaml")});
    return more;
  }
};

TEST_F(TuneVerbTest, BatchesAreSweepsWithHalvingWhoseRunsOnlyTrain) {
  ASSERT_EQ(cli_.Run(Arguments({"--trials", "12", "--epochs", "3"})), 0) << cli_.err();
  ASSERT_EQ(sweeps_.submitted.size(), 2u);
  const SweepSpec& first = sweeps_.submitted[0].spec();
  EXPECT_EQ(first.name(), "rates batch 1");
  EXPECT_EQ(first.runs_size(), 9);
  EXPECT_EQ(first.halving().metric(), "block_loss");
  EXPECT_EQ(sweeps_.submitted[0].request_id().size(), 36u);
  EXPECT_EQ(sweeps_.submitted[0].request_id()[14], '8');
  const SweepSpec& second = sweeps_.submitted[1].spec();
  ASSERT_EQ(second.runs_size(), 3) << "no more than 12";
  const lwqat::v1::SweepRun& last = second.runs(2);
  EXPECT_EQ(last.spec().name(), "rates trial 12");
  EXPECT_EQ(last.labels().at("trial"), "12");
  EXPECT_EQ(std::stod(last.labels().at("quant_lr")), last.spec().recipe().quant_lr()) << "what is shown is what runs";
  EXPECT_EQ(last.spec().recipe().epochs(), 3) << "a flag";
  EXPECT_EQ(last.spec().recipe().wbits(), 4) << "of the base";
  EXPECT_EQ(last.spec().recipe().export_format(), "none");
  EXPECT_FALSE(last.spec().recipe().eval_ppl());
  EXPECT_EQ(last.spec().recipe().divergence_retries(), 0);
  EXPECT_EQ(cli_.err().find("uploading model"), cli_.err().rfind("uploading model")) << cli_.err();
}

TEST_F(TuneVerbTest, TheBestTrialIsPrintedAsLinesOfARunFileAndWrittenAsOne) {
  ASSERT_EQ(cli_.Run(Arguments({"--trials", "45", "--output", At("tuned.yaml")})), 0) << cli_.err();
  const auto tuned = ReadRunFile(At("tuned.yaml"));
  ASSERT_TRUE(tuned.ok()) << tuned.status();
  const lwqat::v1::Recipe& recipe = tuned->spec.recipe();
  EXPECT_LT(Loss(recipe), 1.3) << test::ReadFileOrEmpty(At("tuned.yaml"));
  EXPECT_THAT(cli_.out(), AllOf(HasSubstr("quant_lr: " + Json(recipe.quant_lr()).dump() + "\n"),
                                HasSubstr("weight_lr: " + Json(recipe.weight_lr()).dump() + "\n"),
                                HasSubstr("45 trials, 7:50 of device time spent, 7.0 s reused\n")));
  EXPECT_EQ(tuned->spec.name(), "rates");
  EXPECT_EQ(tuned->model_path, At("model"));
  EXPECT_EQ(recipe.seed(), 7);
  EXPECT_FALSE(recipe.has_export_format()) << "as the base has it";
}

TEST_F(TuneVerbTest, TheSameCommandGoesOnWithTheTrialsItHad) {
  ASSERT_EQ(cli_.Run(Arguments({})), 0) << cli_.err();
  ASSERT_EQ(cli_.Run(Arguments({"--trials", "27"})), 0) << cli_.err();
  const std::vector<std::string> ids = sweeps_.request_ids;
  ASSERT_EQ(ids.size(), 4u);
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(sweeps_.sweeps.size(), 3u) << "the first batch was there";
  EXPECT_THAT(cli_.err(), HasSubstr("batch 1: trials 1 to 9, sweep 5eed00000000, has ended before\n"));
  const std::string out = cli_.out();
  ASSERT_EQ(cli_.Run(Arguments({"--trials", "27"})), 0) << cli_.err();
  EXPECT_EQ(sweeps_.sweeps.size(), 3u);
  EXPECT_EQ(cli_.out(), out);
  // Another search shares nothing with it.
  ASSERT_EQ(cli_.Run(Arguments({"--search-seed", "1"})), 0) << cli_.err();
  EXPECT_EQ(sweeps_.sweeps.size(), 4u);
}

TEST_F(TuneVerbTest, ABatchThatIsExpectedToExceedTheBudgetIsNotBegun) {
  ASSERT_EQ(cli_.Run(Arguments({"--trials", "1000", "--budget", "250s", "--json"})), 0) << cli_.err();
  const Json found = *ParseJson(cli_.out(), "output");
  EXPECT_EQ(found["trials"].size(), 18u) << "110 s, 90 s, and another 100 s would be 300";
  EXPECT_EQ(found["ended"], "budget");
  EXPECT_EQ(found["spent_device_seconds"], 200);
  EXPECT_EQ(found["budget_device_seconds"], 250);
  EXPECT_EQ(found["best"]["outcome"], "ended");
  EXPECT_EQ(found["best"]["blocks"], kBlocks);
  ASSERT_EQ(cli_.Run(Arguments({"--trials", "1000", "--budget", "300s"})), 0) << cli_.err();
  EXPECT_EQ(sweeps_.sweeps.size(), 3u) << "goes on where the larger budget lets it";
  EXPECT_THAT(cli_.out(),
              HasSubstr("4:50 of 5:00 of device time spent, 7.0 s reused; another batch would take about "));
}

TEST_F(TuneVerbTest, AFirstBatchBeyondTheBudgetIsRefusedWithBothNumbers) {
  sweeps_.plan.set_device_seconds(1800);
  for (int block = 0; block < kBlocks; ++block) service_.plan.add_blocks();
  // Of 9 × 4 blocks halving trains 9 + 3 · 2 + 1 = 16.
  EXPECT_EQ(cli_.Run(Arguments({"--budget", "10m"})), 2);
  EXPECT_THAT(cli_.err(),
              HasSubstr("tune.yaml: the first batch is expected to take 13:20 of device time and the budget "
                        "is 10:00; give a larger budget"));
  EXPECT_TRUE(sweeps_.submitted.empty());
  EXPECT_EQ(cli_.Run(Arguments({"--budget", "14m"})), 0) << cli_.err();
}

TEST_F(TuneVerbTest, ABatchThatTheCoordinatorRefusesIsRefusedBeforeAnythingIsUploaded) {
  service_.submit_error = {grpc::StatusCode::INVALID_ARGUMENT, "epochs: 0 trains nothing"};
  EXPECT_EQ(cli_.Run(Arguments({"--epochs", "0"})), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("tune.yaml: trial quant_lr="));
  EXPECT_THAT(cli_.err(), HasSubstr("epochs: 0 trains nothing"));
  EXPECT_TRUE(std::filesystem::is_empty(At("objects")));
}

TEST_F(TuneVerbTest, CtrlCLeavesTheTrialsToTheCoordinatorAndSaysHowToGoOn) {
  sweeps_.on_submit = [](const SweepSpec&, Sweep*) {};
  service_.on_watch = [this] { cli_.interrupt.Raise(InterruptedByUser()); };
  EXPECT_EQ(cli_.Run(Arguments({})), 130);
  EXPECT_THAT(cli_.err(),
              HasSubstr("lwq: interrupted; trials that were begun go on at the coordinator (lwq cancel stops "
                        "a sweep), and the same command goes on where it was\n"));
  EXPECT_TRUE(service_.cancelled.empty());
}

TEST_F(TuneVerbTest, ASearchWhoseTrialsAllFailEndsAfterTheirBatchWithTheReason) {
  sweeps_.on_submit = [this](const SweepSpec&, Sweep* sweep) {
    for (Sweep::Member& member : *sweep->mutable_members()) {
      member.set_state(lwqat::v1::RUN_STATE_FAILED);
      member.add_rung_values(std::nan(""));
      With(member, [](lwqat::v1::Run& run) {
        run.set_state(lwqat::v1::RUN_STATE_FAILED);
        run.set_error("train block 0: the loss is not finite");
      });
    }
  };
  EXPECT_EQ(cli_.Run(Arguments({"--trials", "100", "--output", At("tuned.yaml")})), 1);
  EXPECT_EQ(sweeps_.submitted.size(), 1u);
  EXPECT_THAT(cli_.err(), HasSubstr("no trial was measured; run feed0000-0000 says: train block 0: the loss is not"));
  EXPECT_FALSE(std::filesystem::exists(At("tuned.yaml")));
}

TEST_F(TuneVerbTest, WhoCancelsABatchEndsTheSearch) {
  sweeps_.on_submit = [this](const SweepSpec&, Sweep* sweep) {
    for (Sweep::Member& member : *sweep->mutable_members()) {
      member.set_state(lwqat::v1::RUN_STATE_CANCELLED);
      With(member, [](lwqat::v1::Run& run) { run.set_state(lwqat::v1::RUN_STATE_CANCELLED); });
    }
  };
  EXPECT_EQ(cli_.Run(Arguments({"--trials", "100"})), 4);
  EXPECT_EQ(sweeps_.submitted.size(), 1u);
  EXPECT_THAT(cli_.out(), HasSubstr("ended, as every trial of the last batch was cancelled"));
}

TEST_F(TuneVerbTest, WhereResultsHaveChangedSinceNothingIsBegunAnew) {
  ASSERT_EQ(cli_.Run(Arguments({"--trials", "27"})), 0) << cli_.err();
  auto& members = *sweeps_.sweeps[0].mutable_members();
  const int best = static_cast<int>(std::find_if(members.begin(), members.end(),
                                                 [](const Sweep::Member& one) { return one.rung_values_size() == 3; }) -
                                    members.begin());
  members[best].mutable_rung_values()->Swap(members[(best + 1) % 9].mutable_rung_values());
  EXPECT_EQ(cli_.Run(Arguments({"--trials", "27"})), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("was submitted before with other trials"));
  EXPECT_EQ(sweeps_.sweeps.size(), 3u);
}

TEST_F(TuneVerbTest, AStoppedTrialCountsAsItWasMeasuredWhateverBecameOfItsRun) {
  ASSERT_EQ(cli_.Run(Arguments({"--trials", "18"})), 0) << cli_.err();
  const std::string out = cli_.out();
  for (Sweep::Member& member : *sweeps_.sweeps[0].mutable_members()) {
    if (member.state() != lwqat::v1::RUN_STATE_STOPPED) continue;
    member.set_state(lwqat::v1::RUN_STATE_CANCELLED);
    With(member, [](lwqat::v1::Run& run) { run.set_state(lwqat::v1::RUN_STATE_CANCELLED); });
  }
  ASSERT_EQ(cli_.Run(Arguments({"--trials", "18"})), 0) << cli_.err();
  EXPECT_EQ(cli_.out(), out);
}

TEST_F(TuneVerbTest, WithoutHalvingTrialsAreMeasuredByWhatTheyTrainedLast) {
  sweeps_.on_submit = [this](const SweepSpec& spec, Sweep* sweep) {
    EXPECT_FALSE(spec.has_halving());
    for (int i = 0; i < spec.runs_size(); ++i) {
      Sweep::Member& member = *sweep->mutable_members(i);
      member.set_state(lwqat::v1::RUN_STATE_SUCCEEDED);
      With(member, [&](lwqat::v1::Run& run) {
        run.set_state(lwqat::v1::RUN_STATE_SUCCEEDED);
        for (int block = 0; block < 2; ++block) {
          run.mutable_plan()->add_blocks()->set_layer_idx(block);
          run.mutable_plan()->mutable_blocks(block)->set_unit(block);
          run.mutable_plan()->add_order(1 - block);
          lwqat::v1::Task& task = *run.add_tasks();
          task.set_key(run.id() + std::to_string(block));
          task.set_kind("train_block");
          task.set_block(block);
          task.set_state(lwqat::v1::TASK_STATE_SUCCEEDED);
          task.set_metrics_json(
              Json({{"best_val_loss", block == 0 ? Loss(spec.runs(i).spec().recipe()) : 100}}).dump());
        }
      });
    }
  };
  ASSERT_EQ(cli_.Run(Arguments({"--halving", "none", "--json"})), 0) << cli_.err();
  const Json found = *ParseJson(cli_.out(), "output");
  for (const Json& trial : found["trials"]) {
    lwqat::v1::Recipe recipe;
    recipe.set_quant_lr(trial["values"]["quant_lr"]);
    recipe.set_weight_lr(trial["values"]["weight_lr"]);
    EXPECT_EQ(trial["block_loss"].get<double>(), Loss(recipe)) << "block 0 is trained last";
    EXPECT_EQ(trial["outcome"], "ended");
  }
}

}  // namespace
}  // namespace lwq::client
