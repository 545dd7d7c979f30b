// SPDX-License-Identifier: Apache-2.0
// What lwq does to sweeps and runs of a real coordinator without workers: everything stays where it is put.
#include "common/json/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/waiting_sweep.h"
#include "tests/testing/process.h"

namespace lwq::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class SweepVerbsTest : public WaitingSweepTest {};

TEST_F(SweepVerbsTest, ASweepIsListedShownPausedResumedAndCancelledAsOneThing) {
  const std::string id = Submit();
  EXPECT_THAT(Lwq({"sweeps"}).out, AllOf(HasSubstr(id), HasSubstr("waiting")));
  const Json shown = JsonOf({"sweeps", id.substr(0, 6)});
  ASSERT_EQ(shown["runs"].size(), 2u);
  EXPECT_EQ(shown["runs"][1]["labels"]["train_size"], "3");
  EXPECT_EQ(shown["tasks"], 3) << "two of them are both runs'";
  const std::string run = shown["runs"][0]["run_id"];

  EXPECT_THAT(Lwq({"pause", id}).out, HasSubstr(run + " train_size=2: paused\n"));
  EXPECT_TRUE(JsonOf({"sweeps", id})["runs"][1]["paused"]);
  EXPECT_THAT(Lwq({"why", run, "no-op 0"}).out, HasSubstr("is paused (lwq resume)"));
  EXPECT_THAT(Lwq({"resume", run}).out, HasSubstr(": running, resumed\n"));
  EXPECT_THAT(Lwq({"why", run, "no-op 0"}).out, HasSubstr("no worker is here"));
  EXPECT_THAT(Lwq({"cancel", id}).out, HasSubstr(run + " train_size=2: cancelled\n"));
  const std::string csv = directory_.path() + "/report.csv";
  const Finished report = Lwq({"report", "--sweep", id, "--csv", csv});
  EXPECT_EQ(report.exit_code, 0) << report.err;
  EXPECT_THAT(ReadFileOrEmpty(csv), AllOf(HasSubstr("train_size"), HasSubstr(run)));
  EXPECT_THAT(Lwq({"pause", run}).out, HasSubstr("cancelled, nothing to pause"));
}

TEST_F(SweepVerbsTest, ExplainNamesWhereTwoRunsPart) {
  const Json shown = JsonOf({"sweeps", Submit()});
  const std::string a = shown["runs"][0]["run_id"], b = shown["runs"][1]["run_id"];
  const Finished explained = Lwq({"explain", a, b});
  EXPECT_EQ(explained.exit_code, 0) << explained.err;
  EXPECT_THAT(explained.out, HasSubstr("tasks are the same, of 2 and 3"));
  EXPECT_EQ(JsonOf({"explain", a, b})["tasks_b"], 3);
}

TEST_F(SweepVerbsTest, WhatNobodyKnowsIsOneClearLine) {
  const std::string id = Submit();
  const std::string run = JsonOf({"sweeps", id})["runs"][0]["run_id"];
  const auto refused = [this](const std::vector<std::string>& arguments) {
    const Finished finished = Lwq(arguments);
    EXPECT_EQ(finished.exit_code, 2) << arguments[0];
    EXPECT_EQ(finished.out, "");
    return finished.err;
  };
  EXPECT_THAT(refused({"pause", "nothing"}), StartsWith("lwq: neither a run nor a sweep has the id 'nothing'"));
  EXPECT_THAT(refused({"sweeps", "nothing"}), HasSubstr("sweep 'nothing' does not exist"));
  EXPECT_THAT(refused({"why", run, "no such task"}), HasSubstr("has no task 'no such task'"));
  EXPECT_THAT(refused({"why", run, "no-op"}), HasSubstr("give more of the title"));
  EXPECT_THAT(refused({"explain", run, "nothing"}), HasSubstr("run 'nothing' does not exist"));
}

}  // namespace
}  // namespace lwq::test
