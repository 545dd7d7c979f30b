// SPDX-License-Identifier: Apache-2.0
// The shipped sweeps, planned by a real coordinator.
#include <filesystem>

#include "common/json/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq::test {
namespace {

Finished Plan(const std::string& file, const std::string& scratch) {
  std::vector<std::string> line = {std::string(LWQ_BINARY_DIR) + "/bin/lwq", "plan", file, "--json"};
  if (file.find("llama-2-7b") != std::string::npos) line.push_back("--config-only");
  return RunToEnd(line, scratch);
}

int64_t Number(const Json& message, const char* key) {
  return std::stoll(message.at(key).get<std::string>());
}

TEST(SweepPlanTest, EveryShippedSweepIsPlannedAndItsRunsShareTasks) {
  TemporaryDirectory scratch;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(LWQ_SOURCE_DIR) + "/examples/sweeps")) {
    const Finished planned = Plan(entry.path(), scratch.path());
    ASSERT_EQ(planned.exit_code, 0) << entry.path() << ": " << planned.err;
    const auto sweep = ParseJson(planned.out, "plan");
    ASSERT_TRUE(sweep.ok()) << sweep.status();
    EXPECT_LT(Number((*sweep)["plan"], "distinct_tasks"), Number((*sweep)["plan"], "tasks")) << entry.path();
    for (const Json& arm : (*sweep)["arms"]) EXPECT_GT(arm["plan"]["blocks"].size(), 0u) << entry.path() << arm["name"];
  }
}

TEST(SweepPlanTest, EveryArmOfAComparisonIsPlanned) {
  TemporaryDirectory scratch;
  const std::string sweep_file = scratch.path() + "/sweep.yaml";
  for (const auto& [size, run] : {std::pair("--quick", "fixture-w2g128.yaml"), {"--full", "full.yaml"}}) {
    std::string path = std::string(LWQ_SOURCE_DIR) + "/examples/" + run;
    if (std::string(size) == "--full") {  // without a width of its own
      const std::string fixtures = std::string(LWQ_SOURCE_DIR) + "/tests/fixtures";
      path = scratch.path() + "/" + run;
      WriteFile(path, "model: " + fixtures + "/model\ncalib_dataset: " + fixtures + "/world/calib.txt\neval_texts: [" +
                          fixtures + "/world/heldout.txt]\n");
    }
    const Finished printed =
        RunToEnd({std::string(LWQ_BINARY_DIR) + "/bin/lwq", "compare", path, size, "--dry-run"}, scratch.path());
    ASSERT_EQ(printed.exit_code, 0) << printed.err;
    WriteFile(sweep_file, printed.out);
    const Finished planned = Plan(sweep_file, scratch.path());
    ASSERT_EQ(planned.exit_code, 0) << planned.err << printed.out;
    const auto sweep = ParseJson(planned.out, "plan");
    ASSERT_TRUE(sweep.ok()) << sweep.status();
    EXPECT_LT(Number((*sweep)["plan"], "distinct_tasks"), Number((*sweep)["plan"], "tasks"));
  }
}

TEST(SweepPlanTest, OneBlockAtATimeTrainsAtMostTheBaselineAndWhatFollowsEachBlock) {
  TemporaryDirectory scratch;
  const Finished planned = Plan(std::string(LWQ_SOURCE_DIR) + "/examples/sweeps/one-block.yaml", scratch.path());
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  const auto sweep = ParseJson(planned.out, "plan");
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_EQ((*sweep)["arms"].size(), 13u);
  int64_t distinct = 0;
  for (const Json& kind : (*sweep)["plan"]["kinds"]) {
    if (kind["kind"] == "train_block") distinct = Number(kind, "distinct");
  }
  EXPECT_EQ(distinct, 12 + 12 * 13 / 2) << "of 13 x 12";
}

TEST(SweepPlanTest, TheShippedSearchIsPlannedByItsFirstBatch) {
  TemporaryDirectory scratch;
  const Finished planned = Plan(std::string(LWQ_SOURCE_DIR) + "/examples/tune.yaml", scratch.path());
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  const auto batch = ParseJson(planned.out, "plan");
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ((*batch)["arms"].size(), 9u);
  for (const Json& arm : (*batch)["arms"]) {
    EXPECT_GT(arm["plan"]["blocks"].size(), 0u);
    EXPECT_EQ(arm["plan"]["recipe"]["export_format"], "none");
  }
  EXPECT_LT(Number((*batch)["plan"], "distinct_tasks"), Number((*batch)["plan"], "tasks"));
}

TEST(SweepPlanTest, AnArmThatCannotBePlannedIsNamedWithTheReason) {
  TemporaryDirectory scratch;
  const std::string file = scratch.path() + "/sweep.yaml";
  WriteFile(file, "base: " + std::string(LWQ_SOURCE_DIR) +
                      "/examples/fixture-w2g128.yaml\naxes: {grid: {group_size: [32, 64, 100, 128], wbits: [2, 3]}}\n");
  const Finished planned = Plan(file, scratch.path());
  EXPECT_EQ(planned.exit_code, 2);
  EXPECT_THAT(planned.err, testing::StartsWith("lwq: " + file + ": arm group_size=100 wbits=2: "));
}

}  // namespace
}  // namespace lwq::test
