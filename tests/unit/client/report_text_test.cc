// SPDX-License-Identifier: Apache-2.0
// The table of runs side by side, as golden texts.
#include "client/render/report_text.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::client {
namespace {

using reporting::BuildReport;
using test::MeasuredRun;
using testing::HasSubstr;

TEST(ReportText, IsATable) {
  lwqat::v1::Run ap = MeasuredRun("w2g128 Block-AP", "block_ap", 2.05, 2.0);
  ap.mutable_plan()->mutable_recipe()->set_epochs(2);
  ap.mutable_plan()->mutable_recipe()->set_quant_lr(1e-3);
  EXPECT_EQ(RenderReport(BuildReport({MeasuredRun("w2g128 rtn", "rtn", 2.5, 2.0), ap}, 0)),
            "name             method    preset   bits/group  stored bits      size  ppl held-out  recovered  steps    "
            "time  result\n"
            "tiny             fp                                          8.00 MiB        2.0000\n"
            "w2g128 rtn       rtn       default  2/128             2.150  2.00 MiB        2.5000                    "
            "10.0 s  cccccccccccc\n"
            "w2g128 Block-AP  block_ap  default  2/128             2.150  2.00 MiB        2.0500     88.9 %    128  "
            "10.0 s  cccccccccccc\n"
            "\n"
            "w2g128 Block-AP: epochs 2, quant_lr 0.001\n");
}

TEST(ReportText, AnotherMetricStandsUnderItsOwnNameWithItsStandardError) {
  lwqat::v1::Run run = MeasuredRun("w2g128 rtn", "rtn", 2.5, 2.0);
  test::AddMeasured("fp", "accuracy", 0.75, 80, &run);
  test::AddMeasured("rtn", "accuracy", 0.5, 80, &run)->set_standard_error(0.0625);
  EXPECT_EQ(RenderReport(BuildReport({run}, 0)),
            "name        method  preset   bits/group  stored bits      size  ppl held-out  accuracy held-out    time  "
            "result\n"
            "tiny        fp                                        8.00 MiB        2.0000             0.7500\n"
            "w2g128 rtn  rtn     default  2/128             2.150  2.00 MiB        2.5000  0.5000 +/- 0.0625  10.0 s  "
            "cccccccccccc\n");
}

TEST(ReportText, RemarksStandBelowTheTable) {
  reporting::Report report = BuildReport({MeasuredRun("ap-run", "block_ap", 2.05, 2.0)}, 0);
  report.rows.back().remarks = {"training was undone in block 0"};
  EXPECT_THAT(RenderReport(report), testing::EndsWith("\n\nap-run: training was undone in block 0\n"));
}

TEST(ReportText, SaysWhetherBosWasPutBeforeTheTexts) {
  std::vector<lwqat::v1::Run> runs = {MeasuredRun("a", "rtn", 4.0, 2.0), MeasuredRun("b", "rtn", 4.5, 2.0)};
  EXPECT_THAT(RenderReport(BuildReport(runs, 0)), testing::Not(HasSubstr("BOS"))) << "nobody knows";
  const auto set = [&](int run, bool added) {
    for (auto& measured : *runs[static_cast<size_t>(run)].mutable_measured()) measured.set_add_bos(added);
  };
  set(0, true);
  set(1, true);
  EXPECT_THAT(RenderReport(BuildReport(runs, 0)), testing::EndsWith("\nBOS added to held-out\n"));
  set(0, false);
  set(1, false);
  EXPECT_THAT(RenderReport(BuildReport(runs, 0)), testing::EndsWith("\nno BOS added to held-out\n"));
  set(1, true);
  EXPECT_THAT(RenderReport(BuildReport(runs, 0)), testing::EndsWith("\nBOS added to held-out (b only)\n"));
}

TEST(ReportText, ShowsTheStateOnlyWhereARunHasNotSucceeded) {
  lwqat::v1::Run failed = MeasuredRun("ap-run", "block_ap", 2.5, 2.0);
  failed.set_state(lwqat::v1::RUN_STATE_FAILED);
  EXPECT_THAT(RenderReport(BuildReport({failed}, 0)), HasSubstr("failed\n"));
}

TEST(ReportText, ARunThatHalvingStoppedIsARowThatSaysWhenAndWithWhichValue) {
  lwqat::v1::Run stopped = MeasuredRun("ap-run", "block_ap", 2.5, 2.0);
  stopped.set_state(lwqat::v1::RUN_STATE_STOPPED);
  stopped.clear_measured();
  stopped.mutable_halving()->set_metric("block_loss");
  auto& rung = *stopped.mutable_halving()->add_rungs();
  rung.set_blocks(1);
  rung.set_value(1.0 / 3);
  EXPECT_THAT(RenderReport(BuildReport({stopped}, 0)), HasSubstr("stopped after 1 block, block_loss 0.333333\n"));
  EXPECT_EQ(ReportToJson(BuildReport({stopped}, 0))["rows"][0]["stopped"], "after 1 block, block_loss 0.333333");
  rung.set_value(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(RenderReport(BuildReport({stopped}, 0)), HasSubstr("stopped after 1 block, block_loss no number\n"));
}

}  // namespace
}  // namespace lwq::client
