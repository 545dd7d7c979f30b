// SPDX-License-Identifier: Apache-2.0
// lwq compare with a real coordinator and workers.
#include "common/json/json.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"
#include "tests/testing/process.h"

namespace lwq::test {
namespace {

TEST(CompareTest, MethodsAreMeasuredOnOneCalibrationSetAndGivenAgainTheReportIsTheSame) {
  TemporaryDirectory directory;
  Cluster cluster(directory.path(), {});
  SmallRun small;
  small.blocks = 2;
  small.epochs = 1;
  small.train_size = 8;
  const std::string run = WriteSmallRun(directory.path(), "base", small);
  cluster.StartAll();
  const std::string folder = directory.path() + "/report";
  const std::vector<std::string> line = {
      Binary("lwq"),          "compare",  run,    "--quick",       "--arms",
      "fp,rtn,gptq,block_ap", "--output", folder, "--coordinator", cluster.address()};
  const Finished finished = RunToEnd(line, directory.path());
  ASSERT_EQ(finished.exit_code, 0) << finished.err << cluster.Logs();
  const Json report = *ParseJson(ReadFileOrEmpty(folder + "/report.json"), "report");
  ASSERT_EQ(report["arms"].size(), 4u);
  for (const Json& arm : report["arms"]) EXPECT_EQ(arm["values"][0]["n"], 1) << arm["name"];
  EXPECT_GT(report["arms"][3]["cost"]["making_seconds"], 0);
  EXPECT_GT(report["arms"][3]["cost"]["making_peak_bytes"], 0);
  EXPECT_GT(report["cost"]["runs_tasks"], report["cost"]["tasks"])
      << "windows and full-precision activations are shared";
  const Finished again = RunToEnd(line, directory.path());
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.out, finished.out);
  EXPECT_EQ(*ParseJson(ReadFileOrEmpty(folder + "/report.json"), "report"), report);
}

}  // namespace
}  // namespace lwq::test
