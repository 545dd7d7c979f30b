// SPDX-License-Identifier: Apache-2.0
// Sweeps on the command line, against a coordinator in this process.
#include <filesystem>

#include "common/json/json.h"
#include "gmock/gmock.h"
#include "tests/unit/client/verb_test.h"

namespace lwq::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class SweepVerbTest : public VerbTest {};

TEST_F(SweepVerbTest, SweepUploadsOnceAndSubmitsAllItsArmsTogether) {
  WriteInputs();
  test::WriteFile(At("sweep.yaml"), "base: run.yaml\naxes: {grid: {wbits: [2, 3], epochs: [1, 2]}}\nseeds: [1, 2]\n");
  ASSERT_EQ(cli_.Run({"sweep", At("sweep.yaml"), "--group_size", "64"}), 0) << cli_.err();
  EXPECT_THAT(cli_.out(), StartsWith("feed0000-0000\nfeed0001-0000\n"));
  EXPECT_THAT(cli_.err(), AllOf(HasSubstr("submitted sweep 5eed00000000 (sweep): 8 runs"),
                                HasSubstr("uploading model model"), HasSubstr("uploading calibration text calib")));
  EXPECT_EQ(cli_.err().find("uploading model"), cli_.err().rfind("uploading model")) << cli_.err();
  ASSERT_EQ(sweeps_.submitted.size(), 1u);
  const lwqat::v1::SweepSpec& spec = sweeps_.submitted[0].spec();
  EXPECT_EQ(sweeps_.submitted[0].request_id().size(), 36u);
  EXPECT_EQ(spec.name(), "sweep");
  ASSERT_EQ(spec.runs_size(), 8);
  EXPECT_EQ(spec.runs(5).spec().name(), "sweep wbits=3 epochs=1 seed=2");
  EXPECT_EQ(spec.runs(5).spec().recipe().wbits(), 3);
  EXPECT_EQ(spec.runs(5).spec().recipe().group_size(), 64) << "a flag";
  EXPECT_EQ(spec.runs(5).labels().at("wbits"), "3");
  EXPECT_EQ(service_.together.size(), 1u) << "asked about in one call before";
  EXPECT_TRUE(service_.together[0].validate_only());
}

TEST_F(SweepVerbTest, SweepNamesTheArmThatWouldBeRefusedAndUploadsNothing) {
  WriteInputs();
  test::WriteFile(At("sweep.yaml"), "base: run.yaml\naxes: {grid: {wbits: [2, 3, 4, 5, 6]}}\n");
  service_.submit_error = {grpc::StatusCode::INVALID_ARGUMENT, "wbits: 5 is not held"};
  service_.refused_name = "sweep wbits=5";
  for (const char* verb : {"sweep", "plan"}) {
    EXPECT_EQ(cli_.Run({verb, At("sweep.yaml")}), 2);
    EXPECT_THAT(cli_.err(), HasSubstr("lwq: " + At("sweep.yaml") + ": arm wbits=5: wbits: 5 is not held\n")) << verb;
  }
  EXPECT_TRUE(sweeps_.submitted.empty());
  EXPECT_TRUE(std::filesystem::is_empty(At("objects")));
}

TEST_F(SweepVerbTest, SweepWatchEndsAsItsRunsDoWithALineForEach) {
  WriteInputs();
  test::WriteFile(At("sweep.yaml"), "base: run.yaml\nseeds: [1, 2, 3, 4, 5, 6, 7]\n");
  sweeps_.watch_calls = {[](lwqat::v1::Run& run) { run.set_state(lwqat::v1::RUN_STATE_RUNNING); },
                         [](lwqat::v1::Run& run) { run.set_state(lwqat::v1::RUN_STATE_SUCCEEDED); }};
  EXPECT_EQ(cli_.Run({"sweep", At("sweep.yaml"), "--watch", "--json"}), 0) << cli_.err();
  EXPECT_THAT(cli_.err(),
              AllOf(HasSubstr("[7/7] "), HasSubstr("seed=1 feed0000: succeeded"), HasSubstr("7 of 7 runs ended")));
  EXPECT_THAT(sweeps_.resume_tokens, ElementsAre("", "token 0")) << "one stream, which goes on where it broke";
  const auto printed = ParseJson(cli_.out(), "sweep");
  ASSERT_TRUE(printed.ok()) << cli_.out();
  EXPECT_EQ((*printed)["sweep_id"], "5eed00000000");
  EXPECT_EQ((*printed)["runs"].size(), 7u);
  EXPECT_EQ((*printed)["runs"][2]["labels"]["seed"], "3");
}

TEST_F(SweepVerbTest, PlanOfASweepShowsArmsAndWhatTheyShare) {
  WriteInputs();
  test::WriteFile(At("sweep.yaml"),
                  "base: run.yaml\narms: [{name: one, wbits: 2}, {name: two, wbits: 3}]\nseeds: [1, 2]\n"
                  "exclude: [{arm: two, seed: 2}]\n");
  service_.plan.set_average_bits(2.5);
  service_.plan.add_blocks()->set_steps(64);
  service_.plan.add_remarks("a remark");
  sweeps_.plan.set_tasks(30);
  sweeps_.plan.set_distinct_tasks(12);
  sweeps_.plan.set_device_seconds(90);
  sweeps_.plan.set_alone_device_seconds(200);
  ASSERT_EQ(cli_.Run({"plan", At("sweep.yaml")}), 0) << cli_.err();
  EXPECT_EQ(cli_.out(),
            "#  arm  seed  bits  steps\n"
            "1  one  1      2.5     64\n"
            "2  one  2      2.5     64\n"
            "3  two  1      2.5     64\n"
            "\n"
            "sweep        sweep: 3 runs of 4 combinations\n"
            "tasks        30 of all runs, 12 distinct: 18 saved (60 %)\n"
            "device time  1:30; the runs one by one 3:20\n"
            "note         a remark\n");
  ASSERT_EQ(cli_.Run({"plan", At("sweep.yaml"), "--json"}), 0) << cli_.err();
  const Json printed = *ParseJson(cli_.out(), "plan");
  EXPECT_EQ(printed["plan"]["distinct_tasks"], "12");
  EXPECT_EQ(printed["arms"][2]["name"], "two seed=1");
  EXPECT_EQ(printed["arms"][2]["overrides"]["wbits"], 3);
  EXPECT_EQ(printed["arms"][2]["plan"]["average_bits"], 2.5);
}

TEST_F(SweepVerbTest, ASweepIsNoRunFile) {
  WriteInputs();
  test::WriteFile(At("sweep.yaml"), "base: run.yaml\nseeds: [1]\n");
  EXPECT_EQ(cli_.Run({"submit", At("sweep.yaml")}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("sweep.yaml:2:1: key \"seeds\" makes this a sweep"));
}

TEST_F(SweepVerbTest, WhatIsWrongWithAnInputIsSaidOfTheFirstArm) {
  WriteInputs();
  test::WriteFile(At("sweep.yaml"),
                  "base: run.yaml\naxes: {grid: {calib_dataset: [calib.txt, absent.txt], wbits: [2, 3]}}\n");
  EXPECT_EQ(cli_.Run({"sweep", At("sweep.yaml")}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr(": arm calib_dataset=absent wbits=2: calib_dataset: no such file: "));
  EXPECT_TRUE(service_.together.empty());
}

TEST_F(SweepVerbTest, AHalvingIsAskedAboutBeforeAnythingIsUploadedAndSubmittedWithTheSweep) {
  WriteInputs();
  test::WriteFile(At("sweep.yaml"), "base: run.yaml\nseeds: [1, 2]\nhalving: {eta: 2}\n");
  sweeps_.refused = {grpc::StatusCode::INVALID_ARGUMENT, "run 1 of 2 (sweep seed=1): halving: it has no block_loss"};
  EXPECT_EQ(cli_.Run({"sweep", At("sweep.yaml")}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("lwq: " + At("sweep.yaml") + ": run 1 of 2 (sweep seed=1): halving: it has no"));
  EXPECT_TRUE(sweeps_.submitted.empty());
  EXPECT_TRUE(std::filesystem::is_empty(At("objects")));
  sweeps_.refused = grpc::Status::OK;
  ASSERT_EQ(cli_.Run({"sweep", At("sweep.yaml")}), 0) << cli_.err();
  ASSERT_EQ(sweeps_.submitted.size(), 1u);
  EXPECT_EQ(sweeps_.submitted[0].spec().halving().eta(), 2);
}

TEST_F(SweepVerbTest, AStoppedRunIsNoFailureAndSaysWhenItWasStopped) {
  WriteInputs();
  test::WriteFile(At("sweep.yaml"), "base: run.yaml\nseeds: [1, 2, 3, 4, 5, 6, 7]\nhalving: {}\n");
  const auto stop = [](lwqat::v1::Run& run) {
    run.set_state(lwqat::v1::RUN_STATE_STOPPED);
    run.mutable_halving()->set_metric("block_loss");
    run.mutable_halving()->clear_rungs();
    auto& rung = *run.mutable_halving()->add_rungs();
    rung.set_blocks(3);
    rung.set_value(0.125);
  };
  sweeps_.watch_calls = {stop, [&](lwqat::v1::Run& run) {  // the first is not yet its end
                           stop(run);
                           run.mutable_halving()->set_decided(true);
                         }};
  EXPECT_EQ(cli_.Run({"sweep", At("sweep.yaml"), "--watch"}), 0) << cli_.err();
  const std::string all = cli_.out() + cli_.err();
  EXPECT_THAT(all, HasSubstr("seed=1 feed0000: stopped after 3 blocks, block_loss 0.125"));
  EXPECT_THAT(all, HasSubstr("7 of 7 runs ended, 7 stopped"));
}

TEST_F(SweepVerbTest, PlanOfAHalvedSweepSaysWhatIsTrainedAtLeastAndAtMost) {
  WriteInputs();
  test::WriteFile(At("sweep.yaml"), "base: run.yaml\nseeds: [1, 2]\nhalving: {}\n");
  sweeps_.plan.set_device_seconds(900);
  auto& halving = *sweeps_.plan.mutable_halving();
  for (const auto& [blocks, runs] : {std::pair<int, int>{1, 9}, {3, 3}, {12, 1}}) {
    halving.add_rungs()->set_blocks(blocks);
    halving.mutable_rungs()->rbegin()->set_runs(runs);
  }
  halving.set_trainings(108);
  halving.set_least_trainings(20);
  halving.set_most_trainings(24);
  halving.set_least_device_seconds(150);
  halving.set_most_device_seconds(180);
  ASSERT_EQ(cli_.Run({"plan", At("sweep.yaml")}), 0) << cli_.err();
  EXPECT_THAT(cli_.out(),
              HasSubstr("halving      9 runs to 1, 3 runs to 3, 1 run to 12 blocks\n"
                        "             trains 20 to 24 of 108 distinct blocks; device time 2:30 to 3:00 of 15:00\n"));
}

// Comparisons whose runs end as they are submitted.
class CompareVerbTest : public VerbTest {
 protected:
  CompareVerbTest() {
    WriteInputs();
    test::WriteFile(At("heldout.txt"), "words");
    test::WriteFile(At("run.yaml"), "name: mine\nmodel: model\ncalib_dataset: calib.txt\neval_texts: [heldout.txt]\n");
    sweeps_.on_submit = [this](const lwqat::v1::SweepSpec&, lwqat::v1::Sweep* sweep) { End(sweep); };
  }

  void End(lwqat::v1::Sweep* sweep) {
    for (lwqat::v1::Sweep::Member& member : *sweep->mutable_members()) {
      member.set_state(ends_as_);
      service_.With([&](test::FakeRunService& service) {
        for (lwqat::v1::Run& run : service.runs) {
          if (run.id() != member.run_id()) continue;
          run.set_state(ends_as_);
          run.set_sweep_id(sweep->id());
          if (ends_as_ == lwqat::v1::RUN_STATE_FAILED) run.set_error("block 0: out of memory");
          *run.mutable_plan()->mutable_recipe() = run.spec().recipe();
          run.mutable_plan()->add_blocks();
          run.mutable_plan()->set_stored_bits_per_weight(4.25);
          lwqat::v1::Measured& measured = *run.add_measured();
          measured.set_subject(run.spec().recipe().method());
          measured.set_dataset("heldout");
          measured.set_metric("perplexity");
          measured.set_value(run.spec().recipe().method() == "rtn" ? 8 : 2);
          lwqat::v1::Task& task = *run.add_tasks();
          task.set_kind("train_block");
          task.set_seconds(12);
          task.set_peak_memory_bytes(3 << 20);
        }
      });
    }
  }

  int Compare(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"compare",      At("run.yaml"), "--quick",   "--arms",
                                          "rtn,block_ap", "--output",     At("report")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli_.Run(arguments);
  }

  lwqat::v1::RunState ends_as_ = lwqat::v1::RUN_STATE_SUCCEEDED;
};

TEST_F(CompareVerbTest, AComparisonIsOneSweepThatEndsInATableAndAReport) {
  ASSERT_EQ(Compare(), 0) << cli_.err();
  EXPECT_EQ(cli_.out(),
            "method    stored bits  ppl heldout    time  peak memory\n"
            "rtn             4.250       8.0000  12.0 s     3.00 MiB\n"
            "block_ap        4.250       2.0000  12.0 s     3.00 MiB\n");
  ASSERT_EQ(sweeps_.submitted.size(), 1u);
  EXPECT_EQ(sweeps_.submitted[0].spec().runs(1).labels().at("arm"), "block_ap");
  const Json report = Json::parse(test::ReadFileOrEmpty(At("report/report.json")));
  EXPECT_EQ(report["runs"].size(), 2u);
  EXPECT_EQ(report["baseline"], 1) << "the others are held against Block-AP";
  EXPECT_EQ(report["arms"][0]["cost"]["making_seconds"], 12);
  EXPECT_THAT(test::ReadFileOrEmpty(At("report/report.html")), HasSubstr("<h1>mine compare quick</h1>"));
  EXPECT_THAT(test::ReadFileOrEmpty(At("report/runs.csv")), HasSubstr("block_ap"));
}

TEST_F(CompareVerbTest, WhatADryRunPrintsIsTheSweepThatIsSubmitted) {
  ASSERT_EQ(Compare({"--dry-run"}), 0) << cli_.err();
  EXPECT_TRUE(sweeps_.submitted.empty());
  EXPECT_FALSE(std::filesystem::exists(At("report")));
  test::WriteFile(At("sweep.yaml"), cli_.out());
  ASSERT_EQ(Compare(), 0) << cli_.err();
  EXPECT_EQ(test::ReadFileOrEmpty(At("report/sweep.yaml")), test::ReadFileOrEmpty(At("sweep.yaml")));
  ASSERT_EQ(cli_.Run({"sweep", At("sweep.yaml")}), 0) << cli_.err();
  ASSERT_EQ(sweeps_.submitted.size(), 2u);
  EXPECT_EQ(sweeps_.submitted[0].spec().DebugString(), sweeps_.submitted[1].spec().DebugString());
}

TEST_F(CompareVerbTest, GivenAgainItFindsItsSweepUntilARunOfItHasNoResult) {
  ASSERT_EQ(Compare(), 0) << cli_.err();
  ASSERT_EQ(Compare(), 0) << cli_.err();
  EXPECT_EQ(sweeps_.submitted.size(), 1u);
  ends_as_ = lwqat::v1::RUN_STATE_FAILED;
  EXPECT_EQ(Compare({"--train_size", "8"}), 1);
  EXPECT_THAT(cli_.out(), AllOf(HasSubstr("0 of 1 succeeded"), HasSubstr("out of memory")));
  EXPECT_EQ(sweeps_.submitted.size(), 2u) << "other runs, another sweep";
  ends_as_ = lwqat::v1::RUN_STATE_SUCCEEDED;
  EXPECT_EQ(Compare({"--train_size", "8"}), 0) << cli_.err();
  EXPECT_EQ(sweeps_.submitted.size(), 3u) << "begun anew";
  EXPECT_EQ(Compare({"--train_size", "8"}), 0) << cli_.err();
  EXPECT_EQ(sweeps_.submitted.size(), 3u);
}

TEST_F(CompareVerbTest, WhatIsNoComparisonIsRefusedBeforeAnythingIsWritten) {
  EXPECT_EQ(cli_.Run({"compare", At("run.yaml")}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("compare: give --quick"));
  EXPECT_EQ(Compare({"--full"}), 2);
  EXPECT_EQ(cli_.Run({"compare", At("run.yaml"), "--quick", "--arms", "rtm", "--output", At("report")}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("did you mean rtn?"));
  EXPECT_EQ(cli_.Run({"compare", At("run.yaml"), "--quick", "--output", "s3://bucket/report"}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("a folder of this disk"));
  EXPECT_FALSE(std::filesystem::exists(At("report")));
  test::WriteFile(At("file"), "");
  EXPECT_NE(cli_.Run({"compare", At("run.yaml"), "--quick", "--output", At("file")}), 0);
  EXPECT_THAT(cli_.err(), HasSubstr("--output"));
  EXPECT_TRUE(sweeps_.submitted.empty());
}

}  // namespace
}  // namespace lwq::client
