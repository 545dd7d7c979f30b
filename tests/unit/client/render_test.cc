// SPDX-License-Identifier: Apache-2.0
// What lwq prints, as golden texts.
#include <limits>
#include <sstream>

#include "client/base/format.h"
#include "client/render/completion_script.h"
#include "client/render/evaluation_text.h"
#include "client/render/plan_text.h"
#include "client/render/run_page.h"
#include "client/render/run_text.h"
#include "client/render/sweep_list.h"
#include "client/render/table.h"
#include "client/render/watch_frame.h"
#include "client/watch/run_views.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Format, Bytes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.00 KiB");
  EXPECT_EQ(FormatBytes(8'500'000), "8.11 MiB");
  EXPECT_EQ(FormatBytes(int64_t{13} << 30), "13.0 GiB");
  EXPECT_EQ(FormatBytes((int64_t{1} << 30) - 1), "1.00 GiB");
  EXPECT_EQ(FormatBytes(INT64_MAX), "8192 PiB");
}

TEST(Format, Seconds) {
  EXPECT_EQ(FormatSeconds(0.04), "0.0 s");
  EXPECT_EQ(FormatSeconds(59.94), "59.9 s");
  EXPECT_EQ(FormatSeconds(59.96), "1:00");
  EXPECT_EQ(FormatSeconds(3661), "1:01:01");
  EXPECT_EQ(FormatSeconds(-1), "?");
}

TEST(Format, WidthCountsCodePointsNotBytes) {
  EXPECT_EQ(DisplayWidth("✓ é"), 3);
  EXPECT_EQ(CutToWidth("✓✓✓", 2), "✓✓");
  EXPECT_EQ(CutToWidth("ab", 5), "ab");
  EXPECT_EQ(PadRight("✓", 3), "✓  ");
  EXPECT_EQ(PadLeft("1", 3), "  1");
}

TEST(Format, OnlyWellFormedUnicodeIsUtf8) {
  for (const char* good : {"", "a", "é", "実", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(IsUtf8(good)) << good;
  for (const char* bad :
       {"caf\xe9", "\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe5\xae", "\xff",
        "\xc3"
        "a"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

TEST(Format, ProgressBarsAreClamped) {
  EXPECT_EQ(ProgressBar(0.5, 4, false), "[##..]");
  EXPECT_EQ(ProgressBar(-1, 4, false), "[....]");
  EXPECT_EQ(ProgressBar(7, 4, false), "[####]");
  EXPECT_EQ(ProgressBar(0.25, 4, true), "[█···]");
}

TEST(Format, ATextOfAServerCannotMoveTheCursorOrAddALine) {
  EXPECT_EQ(OneLine("a\nb\x1b[2Jc\r\n"), "a b [2Jc");
}

TEST(Table, RepeatsItsHeaderInLongTablesButNotForAFewRows) {
  Table table({{"n", true}});
  for (int i = 0; i < 9; ++i) table.AddRow({absl::StrCat(i)});
  EXPECT_EQ(table.Render(4), "n\n0\n1\n2\n3\nn\n4\n5\n6\n7\n8\n");
}

TEST(Table, AlignsAndLeavesOutEmptyColumns) {
  Table table({{"name"}, {"empty"}, {"n", true}});
  table.AddRow({"é", "", "1"});
  table.AddRow({"long", "", "100"});
  EXPECT_EQ(table.Render(), "name    n\né       1\nlong  100\n");
}

FrameOptions Frame(int rows) {
  FrameOptions options;
  options.columns = 120;
  options.rows = rows;
  options.utf8 = false;
  options.now_unix_s = 1012.5;
  return options;
}

TEST(WatchFrame, ShowsEveryBlockAndWhatElseRuns) {
  EXPECT_THAT(
      RenderRunFrame(test::RunningRun(), Frame(40)),
      ElementsAre("w2g128 3f2a9c1e  running  [########............] 2/5 tasks (1 shared)  12.5 s, about 4.1 s left",
                  "  + block 0     loss 0.0001235  3.0 s, peak 41.0 MiB, RSS 210 MiB",
                  "  > block 1     [###.........] 32/128 train  loss 0.5  on worker-1  attempt 2", "  . block 2",
                  "  > evaluate fp on held-out  on worker-2"));
}

TEST(WatchFrame, UsesGlyphsWhereTheTerminalHasThem) {
  FrameOptions options = Frame(40);
  options.utf8 = true;
  const auto lines = RenderRunFrame(test::RunningRun(), options);
  EXPECT_THAT(lines[1], HasSubstr("✓ block 0"));
  EXPECT_THAT(lines[2], HasSubstr("▶ block 1     [███·········]"));
}

TEST(WatchFrame, OfAFinishedRunHasItsPerplexities) {
  const auto lines = RenderRunFrame(test::FinishedRun(), Frame(40));
  EXPECT_EQ(lines.front(), "w2g128 3f2a9c1e  succeeded  [####################] 5/5 tasks (1 shared)  1:05");
  EXPECT_EQ(lines.back(), "  perplexity of block_ap on held-out: 2.3457 (50000 tokens)");
}

TEST(WatchFrame, FoldsBlocksThatDoNotFit) {
  lwqat::v1::Run run;
  run.set_id("12345678");
  run.mutable_spec()->set_name("big");
  run.set_state(lwqat::v1::RUN_STATE_RUNNING);
  run.set_tasks_total(80);
  for (int block = 0; block < 80; ++block) {
    const auto state = block < 30    ? lwqat::v1::TASK_STATE_SUCCEEDED
                       : block == 30 ? lwqat::v1::TASK_STATE_LEASED
                                     : lwqat::v1::TASK_STATE_BLOCKED;
    *run.add_tasks() = test::MakeTask("train_block", block, state);
  }
  EXPECT_THAT(RenderRunFrame(run, Frame(10)),
              ElementsAre("big 12345678  running  [....................] 0/80 tasks  0.0 s", "  + blocks 0 to 29",
                          "  > block 30", "  . blocks 31 to 79"));
}

TEST(WatchFrame, ShowsMeasuringAsOneLineAndBlocksInTheirOrderWithWhatIsPlanned) {
  EXPECT_THAT(RenderRunFrame(test::PolicyRun(), Frame(40)),
              ElementsAre("mixed ab12cd34  running  [###########.........] 4/7 tasks  12.5 s, about 0.8 s left",
                          "  > sensitivity (fisher)  [#########...] 3/4 tasks, 1 running",
                          "  > blocks 1 to 2  #1  2 bits  s 12.25  on worker-2", "  . block 0     #3  4 bits  s 0.5"));
}

TEST(WatchFrame, OfTrainedBlocksHasLossFlipsAndCost) {
  const auto lines = RenderRunFrame(test::FinishedPolicyRun(), Frame(40));
  EXPECT_EQ(lines[1], "  + sensitivity (fisher)  4/4 tasks");
  EXPECT_EQ(lines[2], "  + blocks 1 to 2  #1  2 bits  s 12.25  loss 0.125  12 zero-point flips  6.0 s, peak 47.7 MiB");
  EXPECT_EQ(lines[3], "  + block 0     #3  4 bits  s 0.5  1 zero-point flip  peak 28.6 MiB");
}

TEST(WatchFrame, OfATrainingThatLoweredNothingSaysSo) {
  lwqat::v1::Run run = test::RunningRun();
  run.mutable_tasks(1)->set_metrics_json(
      R"({"initial_val_loss": 0.5, "best_val_loss": 0.5, "final_val_loss": 0.5, "steps": 128})");
  EXPECT_THAT(RenderRunFrame(run, Frame(40)),
              testing::Contains(HasSubstr("block 0     loss 0.5  training undone: no step lowered the loss  3.0 s")));
  lwqat::v1::Run before = run;
  before.mutable_tasks(1)->set_state(lwqat::v1::TASK_STATE_LEASED);
  EXPECT_THAT(DescribeChanges(before, run),
              ElementsAre(HasSubstr("train block 0: done, 3.0 s, peak 41.0 MiB, RSS 210 MiB, loss 0.5, training "
                                    "undone: no step lowered the loss")));
}

TEST(WatchFrame, ADefaultThatWasChosenForTheModelIsSaid) {
  lwqat::v1::Run run = test::RunningRun();
  run.mutable_plan()->add_chosen_defaults("group_size 64 was chosen: 128 does not divide");
  EXPECT_EQ(RenderRunFrame(run, Frame(40))[1], "  group_size 64 was chosen: 128 does not divide");
  EXPECT_THAT(DescribeChanges({}, run),
              testing::Contains("w2g128 3f2a9c1e: group_size 64 was chosen: 128 does not divide"));
  EXPECT_THAT(RenderPlan(run.plan()), HasSubstr("\ndefault      group_size 64 was chosen: 128 does not divide\n"));
}

TEST(WatchFrame, FoldsBlocksOutOfOrderToTheirNumber) {
  lwqat::v1::Run run;
  run.set_id("12345678");
  for (int layer = 0; layer < 8; ++layer) {
    auto* block = run.mutable_plan()->add_blocks();
    block->set_layer_idx(layer);
    block->set_unit(layer);
    block->set_position((layer * 3) % 8);
    *run.add_tasks() = test::MakeTask("train_block", layer, lwqat::v1::TASK_STATE_BLOCKED);
  }
  for (const int layer : {0, 3, 6, 1, 4, 7, 2, 5}) run.mutable_plan()->add_order(layer);
  EXPECT_EQ(RenderRunFrame(run, Frame(4))[1], "  . 8 blocks");
}

TEST(WatchFrame, TellsTheTwoTrainingsOfARelayApart) {
  lwqat::v1::Run run;
  for (const char* title : {"train block 0", "train block 1", "train on block 0", "train on block 1"}) {
    *run.add_tasks() =
        test::MakeTask("train_block", title[std::string(title).size() - 1] - '0', lwqat::v1::TASK_STATE_BLOCKED);
    run.mutable_tasks(run.tasks_size() - 1)->set_title(title);
  }
  const auto lines = RenderRunFrame(run, Frame(40));
  EXPECT_THAT(std::vector<std::string>(lines.begin() + 1, lines.end()),
              ElementsAre("  . block 0", "  . block 1", "  . block 0 again", "  . block 1 again"));
  EXPECT_THAT(RenderRunFrame(run, Frame(3)), testing::Contains("  . blocks 0 to 1 again"));
}

TEST(WatchFrame, AFailedMeasurementHasALineOfItsOwn) {
  lwqat::v1::Run run = test::PolicyRun();
  run.mutable_tasks(1)->set_state(lwqat::v1::TASK_STATE_FAILED);
  run.mutable_tasks(1)->set_error("loss is not finite");
  EXPECT_EQ(RenderRunFrame(run, Frame(40)).back(), "  x backward_block  0.5 s, peak 19.1 MiB  loss is not finite");
}

TEST(WatchFrame, NeverExceedsTheTerminal) {
  FrameOptions options = Frame(3);
  options.columns = 20;
  const auto lines = RenderRunFrame(test::RunningRun(), options);
  EXPECT_LE(lines.size(), 3u);
  for (const std::string& line : lines) EXPECT_LE(DisplayWidth(line), 20) << line;
}

TEST(WatchFrame, OfAPendingRunSaysWhatItWaitsFor) {
  lwqat::v1::Run run;
  run.set_state(lwqat::v1::RUN_STATE_PENDING);
  EXPECT_EQ(RenderRunFrame(run, Frame(10)).back(), "  waits for a fitting worker (lwq workers shows who is there)");
}

TEST(WatchLines, ARunThatStaysPendingSaysOnceWhatItWaitsFor) {
  std::ostringstream out;
  std::ostringstream err;
  Console console(&out, &err, {});
  const auto view = MakeRunView(WatchStyle::kLines, &console);
  std::vector<lwqat::v1::Run> runs = {test::RunningRun(), test::RunningRun()};
  runs[1].clear_tasks();
  runs[1].set_id("cafe0000-0000");
  runs[1].set_state(lwqat::v1::RUN_STATE_PENDING);
  view->OnChange(runs, 1);
  EXPECT_EQ(out.str(), "w2g128 cafe0000: pending, 2/5 tasks done\n") << "every run is pending at first";
  out.str("");
  view->OnTick(runs);
  view->OnTick(runs);
  EXPECT_EQ(out.str(), "w2g128 cafe0000: waits for a fitting worker (lwq workers shows who is there)\n");
}

TEST(WatchLines, TheFirstStateIsOneLineAndWhatRuns) {
  EXPECT_THAT(DescribeChanges(lwqat::v1::Run(), test::RunningRun()),
              ElementsAre("w2g128 3f2a9c1e: running, 2/5 tasks done",
                          "w2g128 3f2a9c1e [2/5] train block 1: started on worker-1, attempt 2",
                          "w2g128 3f2a9c1e [2/5] evaluate fp on held-out: started on worker-2"));
}

TEST(WatchLines, EachChangeIsOneLine) {
  const lwqat::v1::Run before = test::RunningRun();
  lwqat::v1::Run after = before;
  after.set_tasks_done(3);
  after.mutable_tasks(2)->set_state(lwqat::v1::TASK_STATE_SUCCEEDED);
  after.mutable_tasks(2)->set_seconds(2.5);
  after.mutable_tasks(2)->set_peak_memory_bytes(43'000'000);
  after.mutable_tasks(3)->set_state(lwqat::v1::TASK_STATE_FAILED);
  after.mutable_tasks(3)->set_error("loss is not finite\nat step 3");
  after.mutable_tasks(4)->set_state(lwqat::v1::TASK_STATE_READY);
  after.set_state(lwqat::v1::RUN_STATE_FAILED);
  after.set_error("train block 2: loss is not finite");
  EXPECT_THAT(DescribeChanges(before, after),
              ElementsAre("w2g128 3f2a9c1e [3/5] train block 1: done, 2.5 s, peak 41.0 MiB, loss 0.5",
                          "w2g128 3f2a9c1e [3/5] train block 2: failed: loss is not finite at step 3",
                          "w2g128 3f2a9c1e [3/5] evaluate fp on held-out: waits for a worker again after attempt 1",
                          "w2g128 3f2a9c1e: failed: train block 2: loss is not finite"));
}

TEST(WatchLines, ATrainingThatRecomputedItsActivationsSaysSo) {
  const lwqat::v1::Run before = test::RunningRun();
  lwqat::v1::Run after = before;
  after.mutable_tasks(2)->set_state(lwqat::v1::TASK_STATE_SUCCEEDED);
  after.mutable_tasks(2)->set_seconds(2.5);
  after.mutable_tasks(2)->set_metrics_json(R"({"activations": "recomputed"})");
  EXPECT_THAT(DescribeChanges(before, after),
              ElementsAre(HasSubstr("train block 1: done, 2.5 s, activations recomputed")));
  after.mutable_tasks(2)->set_metrics_json(R"({"activations": "kept"})");
  EXPECT_THAT(DescribeChanges(before, after), ElementsAre(Not(HasSubstr("activations"))));
}

TEST(WatchLines, MeasuringIsALinePerTenthAndThenWhatItFound) {
  lwqat::v1::Run before = test::PolicyRun();
  before.mutable_plan()->set_provisional(true);
  before.mutable_plan()->clear_order();
  lwqat::v1::Run after = test::PolicyRun();
  after.set_tasks_done(5);
  after.mutable_tasks(3)->set_state(lwqat::v1::TASK_STATE_SUCCEEDED);
  *after.mutable_sensitivity() = test::FinishedPolicyRun().sensitivity();
  EXPECT_THAT(DescribeChanges(before, after),
              ElementsAre("mixed ab12cd34 [5/7] sensitivity (fisher): 4/4 tasks done",
                          "mixed ab12cd34 [5/7] sensitivity (fisher) measured: block 1 is the most sensitive (12.25), "
                          "block 0 the least (0.5)",
                          "mixed ab12cd34 [5/7] the plan is settled: 2.667 bits a weight, 2.800 as stored",
                          "mixed ab12cd34 [5/7] order of training: 1, 2, 0"));
}

TEST(WatchLines, AMeasurementThatStartsOrEndsIsNoLine) {
  lwqat::v1::Run before;
  before.set_id("12345678");
  for (int i = 0; i < 100; ++i) {
    *before.add_tasks() = test::MakeTask("backward_block", i, lwqat::v1::TASK_STATE_READY);
  }
  lwqat::v1::Run after = before;
  for (int i = 0; i < 9; ++i) after.mutable_tasks(i)->set_state(lwqat::v1::TASK_STATE_SUCCEEDED);
  after.mutable_tasks(9)->set_state(lwqat::v1::TASK_STATE_LEASED);
  EXPECT_THAT(DescribeChanges(before, after), IsEmpty());
  after.mutable_tasks(9)->set_state(lwqat::v1::TASK_STATE_SUCCEEDED);
  EXPECT_THAT(DescribeChanges(before, after), SizeIs(1));
}

TEST(WatchLines, ProgressAloneIsNoLine) {
  const lwqat::v1::Run before = test::RunningRun();
  lwqat::v1::Run after = before;
  after.mutable_tasks(2)->mutable_progress()->set_step(33);
  EXPECT_THAT(DescribeChanges(before, after), IsEmpty());
}

TEST(WatchLines, ANewPerplexityIsALineWhereverItStandsInTheList) {
  lwqat::v1::Run before = test::RunningRun();
  test::AddMeasured("rtn", "perplexity", 3, 100, &before);
  lwqat::v1::Run after = test::RunningRun();
  test::AddMeasured("fp", "perplexity", 2.25, 100, &after);
  test::AddMeasured("rtn", "perplexity", 3, 100, &after);
  EXPECT_THAT(DescribeChanges(before, after), ElementsAre("w2g128 3f2a9c1e: perplexity of fp on held-out is 2.2500"));
}

TEST(WatchLines, AMetricWithAStandardErrorIsTheSameLineWithIt) {
  const lwqat::v1::Run before = test::FinishedRun();
  lwqat::v1::Run after = before;
  auto* accuracy = test::AddMeasured("block_ap", "accuracy", 0.65432, 80, &after);
  accuracy->set_standard_error(0.0123);
  accuracy->set_add_bos(true);
  EXPECT_THAT(DescribeChanges(before, after),
              ElementsAre("w2g128 3f2a9c1e: accuracy of block_ap on held-out is 0.6543 +/- 0.0123"));
  EXPECT_EQ(RenderRunFrame(after, Frame(40)).back(),
            "  accuracy of block_ap on held-out: 0.6543 +/- 0.0123 (80 samples, BOS added)");
  EXPECT_THAT(RenderRun(after, 2000),
              HasSubstr("\nperplexity   2.3457 block_ap on held-out (50000 tokens)\n"
                        "accuracy     0.6543 +/- 0.0123 block_ap on held-out (80 samples, BOS added)\n"));
}

TEST(EvaluationText, HasAColumnForEachMetric) {
  lwqat::v1::Run run = test::MeasuredRun("eval", "none", 0, 2.125);
  EXPECT_EQ(RenderEvaluation(run), "model  text      perplexity  tokens\ntiny   held-out      2.1250   50000\n");
  run.mutable_measured(0)->set_add_bos(true);
  test::AddMeasured("fp", "accuracy", 0.75, 80, &run)->set_standard_error(0.05);
  EXPECT_EQ(RenderEvaluation(run),
            "model  text      perplexity           accuracy  count  BOS\n"
            "tiny   held-out      2.1250                     50000  added\n"
            "tiny   held-out              0.7500 +/- 0.0500     80\n");
  lwqat::v1::Run asked;
  asked.mutable_spec()->mutable_model()->set_name("tiny");
  test::AddMeasured("fp", "acc", 0.75, 80, &asked);
  test::AddMeasured("fp", "acc_norm", 0.5, 80, &asked);
  EXPECT_EQ(RenderEvaluation(asked),
            "model  text         acc  acc_norm  items\n"
            "tiny   held-out  0.7500    0.5000     80\n")
      << "what was measured on the same items stands together";
  lwqat::v1::Run compared;
  compared.mutable_spec()->mutable_model()->set_name("tiny");
  test::AddMeasured("rtn", "kl_divergence", 0.00012345, 80, &compared)->set_standard_error(0.000012);
  test::AddMeasured("rtn", "top1_agreement", 0.9875, 80, &compared);
  EXPECT_EQ(RenderEvaluation(compared),
            "model  text              kl_divergence  top1_agreement  predicted tokens\n"
            "tiny   held-out  0.000123 +/- 0.000012          0.9875                80\n")
      << "a small divergence is a number, too";
  EXPECT_EQ(RenderEvaluation({}), "model  text  perplexity  tokens  BOS\n") << "nothing was measured";
}

TEST(PlanText, IsATableWithTotals) {
  lwqat::v1::Plan plan;
  for (int block = 0; block < 2; ++block) {
    auto* row = plan.add_blocks();
    row->set_layer_idx(block);
    row->set_unit(block);
    row->set_position(block);
    row->set_bit_width(2);
    row->set_group_size(block == 0 ? 128 : -1);
    row->set_epochs(2);
    row->set_quant_lr(1e-4);
    row->set_weight_lr(2e-5);
    row->set_stored_bits_per_weight(2.140625);
    row->set_steps(128);
  }
  plan.set_average_bits(2);
  plan.set_stored_bits_per_weight(2.140625);
  plan.set_quantized_bytes(600'000);
  plan.set_export_bytes(1'200'000);
  (*plan.mutable_tasks())["train_block"] = 2;
  (*plan.mutable_tasks())["advance"] = 4;
  (*plan.mutable_tasks_shared())["advance"] = 2;
  plan.set_peak_memory_bytes(50'000'000);
  plan.add_remarks("vLLM cannot load 2 bits");
  EXPECT_EQ(RenderPlan(plan),
            "block  position  bits  group  stored bits  epochs  steps  quant_lr  weight_lr\n"
            "    0         0     2    128        2.141       2    128    0.0001      2e-05\n"
            "    1         1     2    row        2.141       2    128    0.0001      2e-05\n"
            "\n"
            "bits         2 a weight, 2.141 as stored\n"
            "size         586 KiB of quantized linears, 1.14 MiB exported\n"
            "tasks        6 (4 advance (2 shared), 2 train_block), 2 of them already done or shared with other runs\n"
            "peak memory  47.7 MiB (the largest task)\n"
            "note         vLLM cannot load 2 bits\n");
}

TEST(PlanText, ShowsOrderUnitsAndWhatThePoliciesRead) {
  lwqat::v1::Plan plan = test::PolicyRun().plan();
  plan.set_quantized_bytes(600'000);
  EXPECT_EQ(RenderPlan(plan),
            "block  position  unit  bits  group  stored bits  sensitivity  epochs  steps  quant_lr   zp_lr  weight_lr  "
            "patience\n"
            "    0         2     0     4    128        4.156          0.5       2    128    0.0001  0.0001      1e-05  "
            "       2\n"
            "    1         0     1     2    128        2.141        12.25     2.5    160    0.0001  0.0001      1e-05  "
            "     3.5\n"
            "    2         1     1     2    128        2.141            3     2.5    160    0.0001  0.0001      1e-05  "
            "     3.5\n"
            "\n"
            "order        1, 2, 0\n"
            "bits         2.667 a weight, 2.800 as stored\n"
            "size         586 KiB of quantized linears, 0 B exported\n"
            "tasks        0\n");
}

TEST(PlanText, SaysPlainlyWhatWaitsForAMeasurement) {
  lwqat::v1::Plan plan;
  plan.set_provisional(true);
  plan.mutable_recipe()->set_sensitivity_metric("fisher");
  plan.mutable_recipe()->set_sensitivity_samples(64);
  EXPECT_EQ(RenderPlan(plan),
            "sensitivity  is measured (fisher, 64 windows), and nothing else is done\ntasks        0\n");
  plan.add_blocks();
  EXPECT_THAT(RenderPlan(plan), HasSubstr("\nprovisional  the sensitivity is measured first (fisher, 64 windows); bits "
                                          "and epochs shown are the recipe's until then\n"));
}

TEST(PlanText, OfGivenScoresSaysThatOnlyRoundingErrorsAreMeasured) {
  lwqat::v1::Plan plan;
  plan.set_provisional(true);
  plan.add_blocks()->set_sensitivity(1);
  EXPECT_THAT(RenderPlan(plan), HasSubstr("\nprovisional  the rounding errors of the weights are measured first; bits "
                                          "shown are the recipe's until then\n"));
}

TEST(PlanText, OfManyBlocksFoldsNeighboursThatArePlannedAlike) {
  lwqat::v1::Plan plan;
  for (int layer = 0; layer < 128; ++layer) {
    auto* block = plan.add_blocks();
    block->set_layer_idx(layer);
    block->set_unit(layer);
    block->set_position(layer);
    block->set_bit_width(layer == 64 ? 8 : 2);
    block->set_group_size(128);
    block->set_stored_bits_per_weight(2.140625);
    block->set_epochs(2);
  }
  const std::string text = RenderPlan(plan);
  EXPECT_EQ(text.substr(0, text.find("\n\n")),
            " block  position  bits  group  stored bits  epochs\n"
            "  0-63      0-63     2    128        2.141       2\n"
            "    64        64     8    128        2.141       2\n"
            "65-127    65-127     2    128        2.141       2");
}

TEST(PlanText, OfManyBlocksThatDifferRepeatsTheHeader) {
  lwqat::v1::Plan plan;
  for (int layer = 0; layer < 128; ++layer) {
    auto* block = plan.add_blocks();
    block->set_layer_idx(layer);
    block->set_unit(layer);
    block->set_position(127 - layer);
    block->set_sensitivity(1.0 / (layer + 1));
    plan.add_order(127 - layer);
  }
  const std::string text = RenderPlan(plan);
  int headers = 0;
  for (size_t at = 0; (at = text.find("block  position", at)) != std::string::npos; ++at) ++headers;
  EXPECT_EQ(headers, 4);
  EXPECT_THAT(text, HasSubstr("\norder        127, 126, 125, "));
  EXPECT_THAT(text, HasSubstr(", 96, … 96 more\n"));
}

TEST(PlanText, SaysWhatEachClassWouldNeedAndWhyItCannot) {
  lwqat::v1::Plan plan;
  auto* known = plan.add_estimates();
  known->set_kind("train_block");
  known->set_numerics_class("A100|sm80");
  known->set_workers(2);
  known->set_tasks(32);
  known->set_memory_bytes(int64_t{20} << 30);
  known->set_seconds(95);
  known->set_chosen(true);
  auto* small = plan.add_estimates();
  small->set_kind("train_block");
  small->set_numerics_class("L4|sm89");
  small->set_workers(1);
  small->set_tasks(32);
  small->set_memory_bytes(int64_t{20} << 30);
  small->set_problem("needs 20.0 GiB, its workers have 16.0 GiB");
  EXPECT_EQ(RenderPlan(plan),
            "tasks        0\n"
            "time         not known yet: some kinds of task were never measured on the chosen class\n"
            "\n"
            "kind         class      workers  tasks    memory            a task  remark\n"
            "train_block  A100|sm80        2     32  20.0 GiB              1:35  chosen\n"
            "train_block  L4|sm89          1     32  20.0 GiB  not measured yet  needs 20.0 GiB, its workers have 16.0 "
            "GiB\n");
  plan.clear_estimates();
  plan.set_estimated_seconds(3600);
  EXPECT_EQ(RenderPlan(plan), "tasks        0\ntime         about 1:00:00 with the workers there are now\n");
}

TEST(PlanText, ShowsTheFrontierAroundThePlan) {
  lwqat::v1::Plan plan;
  plan.set_stored_bits_per_weight(2.5);
  for (int i = 0; i < 100; ++i) {
    auto* point = plan.add_frontier();
    point->set_stored_bits_per_weight(2 + i * 0.1);
    point->set_loss(1.0 / (1 + i));
  }
  EXPECT_EQ(RenderPlan(plan),
            "tasks        0\n"
            "\n"
            "frontier     7 of 100 plans that nothing beats in both numbers (--json has all)\n"
            "stored bits      loss  plan\n"
            "     2.2000  0.333333\n"
            "     2.3000      0.25\n"
            "     2.4000       0.2\n"
            "     2.5000  0.166667  this one\n"
            "     2.6000  0.142857\n"
            "     2.7000     0.125\n"
            "     2.8000  0.111111\n");
  plan.set_stored_bits_per_weight(1);
  EXPECT_THAT(RenderPlan(plan), HasSubstr("     2.0000         1  this one\n"));
}

TEST(RunText, OfPoliciesHasARowPerBlockAndOneForAllMeasuring) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  run.set_numerics_class("A100|fp32|t1");
  (*run.mutable_kind_classes())["train_block"] = "A100|fp32|t1";
  (*run.mutable_kind_classes())["advance"] = "L4|fp32|t1";
  EXPECT_EQ(
      RenderRun(run, 2000),
      "run          ab12cd34-0000-4000-8000-000000000001 mixed\n"
      "state        succeeded, 7/7 tasks done\n"
      "submitted    1970-01-01 00:16:40 UTC\n"
      "time         30.0 s\n"
      "class        A100|fp32|t1\n"
      "class        L4|fp32|t1 of advance\n"
      "sensitivity  fisher over 8 windows: block 1 is the most sensitive (12.25), block 0 the least (0.5)\n"
      "order        1, 2, 0\n"
      "result       dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd\n"
      "\n"
      "block  position  bits  group  sensitivity  epochs  steps  loss before   best  zero-point flips   time      "
      "peak\n"
      "    0         2     4    128          0.5       2    128                                     1  2.5 s  28.6 "
      "MiB\n"
      "    1         0     2    128        12.25     2.5    160          0.5  0.125                 5  3.0 s  47.7 "
      "MiB\n"
      "    2         1     2    128            3     2.5    160          0.5  0.125                 7  3.0 s  47.7 "
      "MiB\n"
      "\n"
      "task                  state       time      peak   loss  worker\n"
      "sensitivity (fisher)  4/4 done   1.5 s  19.1 MiB\n"
      "train blocks 1-2      succeeded  6.0 s  47.7 MiB  0.125  worker-2\n"
      "train block 0         succeeded         28.6 MiB\n"
      "tokenize              succeeded\n");
}

TEST(RunText, HasStateResultsAndTasks) {
  EXPECT_EQ(RenderRun(test::FinishedRun(), 2000),
            "run          3f2a9c1e-0000-4000-8000-000000000001 w2g128\n"
            "state        succeeded, 5/5 tasks done, 1 of them shared\n"
            "submitted    1970-01-01 00:16:40 UTC\n"
            "time         1:05\n"
            "perplexity   2.3457 block_ap on held-out (50000 tokens)\n"
            "export       977 KiB, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
            "result       bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
            "\n"
            "task                     state       time      peak      RSS       loss  attempts  worker\n"
            "tokenize                 reused\n"
            "train block 0            succeeded  3.0 s  41.0 MiB  210 MiB  0.0001235\n"
            "train block 1            succeeded                                  0.5         2  worker-1\n"
            "train block 2            succeeded\n"
            "evaluate fp on held-out  succeeded                                                 worker-2\n");
}

TEST(RunText, EmptyListsSaySo) {
  EXPECT_EQ(RenderRunList({}, 0), "no runs\n");
  EXPECT_EQ(RenderWorkers({}), "no workers\n");
}

TEST(RunText, WorkersHaveAState) {
  lwqat::v1::ListWorkersResponse workers;
  auto* busy = workers.add_workers();
  busy->set_name("worker-1");
  busy->set_device("cpu");
  busy->set_alive(true);
  busy->set_max_threads(1);
  busy->set_memory_bytes(int64_t{8} << 30);
  busy->set_task("train block 3");
  busy->set_numerics_class("Zen 5|avx512");
  busy->mutable_since_heartbeat()->set_seconds(1);
  auto* lost = workers.add_workers();
  lost->set_name("worker-2");
  lost->set_device("cpu");
  EXPECT_EQ(RenderWorkers(workers),
            "name      state  device  threads    memory  heartbeat  task           numerics class\n"
            "worker-1  busy   cpu           1  8.00 GiB  1.0 s ago  train block 3  Zen 5|avx512\n"
            "worker-2  lost   cpu           0       0 B\n");
}

TEST(RunText, WorkersInQuarantineSayWhyAndHowItEnds) {
  lwqat::v1::ListWorkersResponse workers;
  auto* bad = workers.add_workers();
  bad->set_name("gpu-3");
  bad->set_alive(true);
  bad->mutable_quarantine()->set_seconds(24);
  bad->set_failures("2 tasks of 2 runs failed on it and on no other worker; last: ECC error");
  auto* probed = workers.add_workers();
  probed->set_name("gpu-4");
  probed->set_alive(true);
  probed->set_probed(true);
  probed->set_failures("3 tasks of 1 run failed on it and on no other worker; last: ECC error");
  const std::string text = RenderWorkers(workers);
  EXPECT_THAT(text, HasSubstr("gpu-3  quarantined"));
  EXPECT_THAT(text, HasSubstr("gpu-3 is given nothing for 25.0 s yet: 2 tasks of 2 runs failed on it and on no other "
                              "worker; last: ECC error (lwq workers --release gpu-3)\n"));
  EXPECT_THAT(text, HasSubstr("gpu-4 is tried again after a quarantine: 3 tasks of 1 run failed on it"));
}

TEST(Completion, RefusesShellsItDoesNotKnow) {
  EXPECT_EQ(MessageOf(CompletionScript("tcsh", {}).status()),
            "completion: unknown shell \"tcsh\"; bash, zsh and fish are supported");
}

TEST(Completion, QuotesHelpTexts) {
  const std::vector<CompletionVerb> verbs = {{"get", "A run's [state]", {{"--json", "it's JSON", false, {}}}, {}, ""}};
  EXPECT_THAT(*CompletionScript("zsh", verbs), HasSubstr("'--json[it’s JSON]'"));
  EXPECT_THAT(*CompletionScript("fish", verbs), HasSubstr("-l json -d 'it’s JSON'"));
}

TEST(RenderSweep, ShowsHowFarHalvingLetsEachRunGoAndWhatItMeasured) {
  lwqat::v1::Sweep sweep;
  sweep.set_id("5eed00000000");
  sweep.set_name("rates");
  sweep.mutable_halving()->set_metric("block_loss");
  sweep.mutable_halving()->set_order("synchronous");
  sweep.mutable_halving()->set_min_blocks(1);
  sweep.mutable_halving()->set_eta(3);
  const auto add = [&](const char* id, lwqat::v1::RunState state, int64_t blocks, const std::vector<double>& values) {
    auto& member = *sweep.add_members();
    member.set_run_id(id);
    member.set_state(state);
    member.set_promoted_blocks(blocks);
    member.mutable_rung_values()->Assign(values.begin(), values.end());
  };
  add("a", lwqat::v1::RUN_STATE_RUNNING, 3, {0.25});
  add("b", lwqat::v1::RUN_STATE_STOPPED, 1, {0.5});
  add("c", lwqat::v1::RUN_STATE_FAILED, 1, {std::numeric_limits<double>::quiet_NaN()});
  EXPECT_THAT(RenderSweep(sweep),
              HasSubstr("halving      synchronous, by block_loss: from 1 block on, one in 3 goes on\n"
                        "run  labels  state    blocks  block_loss at rung 0\n"
                        "a    -       running       3                  0.25\n"
                        "b    -       stopped       1                   0.5\n"
                        "c    -       failed        1                   nan\n"));
  const Json json = SweepToJson(sweep);
  EXPECT_EQ(json["halving"]["eta"], 3);
  EXPECT_EQ(json["runs"][0]["rung_values"], Json::array({0.25}));
  EXPECT_TRUE(json["runs"][2]["rung_values"][0].is_null());
}

}  // namespace
}  // namespace lwq::client
