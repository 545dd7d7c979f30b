// SPDX-License-Identifier: Apache-2.0
// lwq tune with a real coordinator and workers: a search that is killed and given again ends as one that is not.
#include <chrono>

#include "common/json/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"
#include "tests/testing/process.h"

namespace lwq::test {
namespace {

// A cluster, and a search over the rate of a small run in three batches.
class Searched {
 public:
  Searched() : cluster_(directory_.path(), {}) {
    SmallRun small;
    small.epochs = 1;
    small.train_size = 8;
    const std::string run = WriteSmallRun(directory_.path(), "base", small);
    file_ = directory_.path() + "/tune.yaml";
    WriteFile(file_, "name: rates\nbase: " + run +
                         "\nsearch: {quant_lr: {low: 1e-5, high: 1e-1, log: true}}\n"
                         "trials: 6\nbatch: 2\nstartup: 4\nhalving: none\n");
    cluster_.StartAll();
  }

  std::vector<std::string> Line() const {
    return {Binary("lwq"),      "tune",   file_,      "--coordinator",
            cluster_.address(), "--json", "--output", directory_.path() + "/tuned.yaml"};
  }
  Json Finish() const {
    const Finished finished = RunToEnd(Line(), directory_.path());
    EXPECT_EQ(finished.exit_code, 0) << finished.err << cluster_.Logs();
    const auto json = ParseJson(finished.out, "tune");
    EXPECT_TRUE(json.ok()) << finished.out;
    return json.ok() ? *json : Json();
  }
  std::string log() const { return directory_.path() + "/tune.log"; }
  std::string Tuned() const { return ReadFileOrEmpty(directory_.path() + "/tuned.yaml"); }
  Cluster& cluster() { return cluster_; }

 private:
  TemporaryDirectory directory_;
  Cluster cluster_;
  std::string file_;
};

int SweepCount(Cluster& cluster) {
  const Finished listed =
      RunToEnd({Binary("lwq"), "sweeps", "--coordinator", cluster.address(), "--json"}, cluster.directory());
  return static_cast<int>((*ParseJson(listed.out, "sweeps"))["sweeps"].size());
}

TEST(TuneTest, ASearchThatIsKilledAndGivenAgainTriesWhatOneWouldThatWasNot) {
  Searched whole;
  const Json found = whole.Finish();
  ASSERT_EQ(found["trials"].size(), 6u);
  double best = 1e300;
  for (const Json& trial : found["trials"]) {
    EXPECT_EQ(trial["outcome"], "ended");
    EXPECT_EQ(trial["blocks"], 4);
    EXPECT_GT(trial["device_seconds"], 0.0);
    best = std::min(best, trial["block_loss"].get<double>());
  }
  EXPECT_EQ(found["best"]["block_loss"].get<double>(), best);
  EXPECT_THAT(whole.Tuned(), ::testing::HasSubstr("quant_lr: " + found["best"]["values"]["quant_lr"].dump() + "\n"));
  EXPECT_EQ(SweepCount(whole.cluster()), 3);
  EXPECT_EQ(whole.Finish(), found) << "nothing is left to do";
  EXPECT_EQ(SweepCount(whole.cluster()), 3);

  Searched killed;
  {
    Process tune(killed.Line(), killed.log());
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::duration<double>(kDeadlineSeconds);
    while (SweepCount(killed.cluster()) < 2) {  // the second batch is submitted
      ASSERT_TRUE(tune.Running() && std::chrono::steady_clock::now() < give_up) << ReadFileOrEmpty(killed.log());
    }
    tune.Kill();
  }
  killed.cluster().KillCoordinator();
  killed.cluster().StartCoordinator();
  const Json again = killed.Finish();
  EXPECT_EQ(SweepCount(killed.cluster()), 3);
  ASSERT_EQ(again["trials"].size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(again["trials"][i]["values"], found["trials"][i]["values"]) << i;
    EXPECT_EQ(again["trials"][i]["block_loss"], found["trials"][i]["block_loss"]) << i;
  }
}

}  // namespace
}  // namespace lwq::test
