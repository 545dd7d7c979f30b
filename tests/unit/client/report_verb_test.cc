// SPDX-License-Identifier: Apache-2.0
// lwq report against a coordinator in this process: the table, and the files it writes.
#include <filesystem>

#include "common/json/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/unit/client/cli_harness.h"
#include "tests/unit/client/fake_run_service.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::client {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ReportVerbTest : public testing::Test {
 protected:
  ReportVerbTest() : server_(&service_) { cli_.environment["LWQ_COORDINATOR"] = server_.address(); }

  std::string At(const std::string& name) const { return folder_.path() + "/" + name; }

  test::TemporaryDirectory folder_;
  test::FakeRunService service_;
  test::FakeServer server_;
  test::CliHarness cli_;
};

TEST_F(ReportVerbTest, ReportComparesRuns) {
  service_.runs = {test::MeasuredRun("rtn-run", "rtn", 2.5, 2.0), test::MeasuredRun("ap-run", "block_ap", 2.05, 2.0)};
  ASSERT_EQ(cli_.Run({"report", "id-rtn-run", "id-ap-run"}), 0);
  EXPECT_THAT(cli_.out(), HasSubstr("88.9 %"));
  ASSERT_EQ(cli_.Run({"report", "id-rtn-run", "id-ap-run", "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out())["rows"].size(), 3u);
}

TEST_F(ReportVerbTest, ReportWritesThePageAndTheTablesOfTheRunsThatMatch) {
  service_.runs = {test::MeasuredRun("new rtn", "rtn", 2.5, 2.0), test::MeasuredRun("other", "rtn", 9, 2.0),
                   test::MeasuredRun("new ap", "block_ap", 2.05, 2.0)};
  ASSERT_EQ(cli_.Run({"report", "--matching", "new *", "--html", At("r/page.html"), "--csv", At("r/runs.csv"),
                      "--json-file", At("r/report.json"), "--parquet", At("r/runs.parquet"), "--title", "Two <runs>",
                      "--baseline", "new rtn"}),
            0)
      << cli_.err();
  EXPECT_EQ(cli_.out(), absl::StrCat(At("r/page.html"), "\n", At("r/runs.csv"), "\n", At("r/report.json"), "\n",
                                     At("r/runs.parquet"), "\n"));
  EXPECT_THAT(test::ReadFileOrEmpty(At("r/page.html")), HasSubstr("<h1>Two &lt;runs&gt;</h1>"));
  const std::string csv = test::ReadFileOrEmpty(At("r/runs.csv"));
  EXPECT_LT(csv.find("new ap"), csv.find("new rtn"));  // the oldest first
  EXPECT_THAT(csv, Not(HasSubstr("other")));
  const Json json = Json::parse(test::ReadFileOrEmpty(At("r/report.json")));
  EXPECT_EQ(json["runs"].size(), 2u);
  EXPECT_EQ(json["baseline"], 1);
  EXPECT_THAT(test::ReadFileOrEmpty(At("r/runs.parquet")), StartsWith("PAR1"));
  ASSERT_EQ(cli_.Run({"report", "id-other", "--csv", At("r/one.csv"), "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out())["files"][0]["file"], At("r/one.csv"));
}

TEST_F(ReportVerbTest, ReportWritesFilesForTrackersAndSaysHowTheyAreOpened) {
  service_.runs = {test::MeasuredRun("a", "rtn", 2.5, 2.0), test::MeasuredRun("b", "rtn", 3, 2.0)};
  ASSERT_EQ(cli_.Run({"report", "id-a", "id-b", "--tensorboard", At("tb"), "--mlflow", At("store"), "--wandb", At("w"),
                      "--title", "two"}),
            0)
      << cli_.err();
  EXPECT_EQ(cli_.out(), absl::StrCat(At("tb"), "\n", At("store"), "\n", At("w"), "\n"));
  EXPECT_THAT(cli_.err(), HasSubstr("mlflow migrate-filestore --source " + At("store")));
  const auto files_below = [&](const std::string& folder) {
    int files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(At(folder)))
      files += entry.is_regular_file();
    return files;
  };
  EXPECT_EQ(files_below("tb"), 2);
  EXPECT_EQ(files_below("w"), 2);
  EXPECT_GT(files_below("store"), 10);
  ASSERT_EQ(cli_.Run({"report", "id-a", "--tensorboard", At("tb"), "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out())["files"].size(), 1u);
  EXPECT_EQ(files_below("tb"), 2) << "written again, a run replaces itself";
}

TEST_F(ReportVerbTest, ReportRefusesFoldersWhereMlflowWouldStopToWork) {
  service_.runs = {test::MeasuredRun("a", "rtn", 2.5, 2.0)};
  for (const std::string& folder : {std::string("."), At("mlruns"), At("mlruns/")}) {
    EXPECT_EQ(cli_.Run({"report", "id-a", "--mlflow", folder}), 2) << folder;
    EXPECT_THAT(cli_.err(), HasSubstr("would make a folder mlruns that keeps MLflow from working there"));
  }
  EXPECT_FALSE(std::filesystem::exists(At("mlruns")));
}

TEST_F(ReportVerbTest, ReportOfOneRunIsItsOwnPageAndEndsInASummary) {
  service_.runs = {test::FinishedPolicyRun(), test::MeasuredRun("other", "rtn", 9, 2.0)};
  ASSERT_EQ(cli_.Run({"report", "ab12", "--output", At("r"), "--title", "Mine"}), 0) << cli_.err();
  EXPECT_EQ(cli_.out(), absl::StrCat(At("r/report.html"), "\n", At("r/report.json"), "\n"));
  EXPECT_THAT(test::ReadFileOrEmpty(At("r/report.html")), HasSubstr("Run report</p>\n<h1>Mine</h1>"));
  const Json json = Json::parse(test::ReadFileOrEmpty(At("r/report.json")));
  EXPECT_EQ(json["kind"], "run");
  EXPECT_EQ(json["layers"].size(), 3u);
  ASSERT_EQ(cli_.Run({"report", "ab12"}), 0) << cli_.err();
  EXPECT_THAT(cli_.out(), HasSubstr("blocks       3: 2 at 2 bits, 1 at 4 bits; "));
  ASSERT_EQ(cli_.Run({"report", "ab12", "id-other", "--output", At("two")}), 0) << cli_.err();
  EXPECT_EQ(Json::parse(test::ReadFileOrEmpty(At("two/report.json")))["runs"].size(), 2u);
}

TEST_F(ReportVerbTest, ReportSaysWhichRunsItDoesNotFindAndLeavesNoHalfFile) {
  service_.runs = {test::MeasuredRun("a", "rtn", 2.5, 2.0)};
  EXPECT_EQ(cli_.Run({"report", "--matching", "b*", "--html", At("page.html")}), 2);
  EXPECT_EQ(cli_.err(), "lwq: --matching: no run's name matches \"b*\"; lwq list shows the names\n");
  EXPECT_EQ(cli_.Run({"report", "id-a", "--html", At("page.html"), "--baseline", "c"}), 2);
  EXPECT_EQ(cli_.err(), "lwq: --baseline: none of the 1 runs has the name or id \"c\"\n");
  test::WriteFile(At("file"), "x");
  EXPECT_NE(cli_.Run({"report", "id-a", "--html", At("file/page.html")}), 0);
  EXPECT_THAT(cli_.err(), HasSubstr("--html"));
  EXPECT_FALSE(std::filesystem::exists(At("page.html")));
}

}  // namespace
}  // namespace lwq::client
