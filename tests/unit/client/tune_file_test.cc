// SPDX-License-Identifier: Apache-2.0
// Tune files: what they say, the one line each kind of mistake gets, and run files that are written.
#include "client/run_file/tune_file.h"

#include <filesystem>

#include "client/run_file/read_run_file.h"
#include "client/run_file/write_run_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq::client {
namespace {

using testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  return std::string(MessageOf(ParseTuneFile(text, "tune.yaml", "dir").status()));
}

TEST(TuneFile, SaysTheRunTheSpaceAndTheEnd) {
  const auto tune = ParseTuneFile(
      "name: rates\n"
      "base: {model: m, calib_dataset: c.txt, wbits: 2}\n"
      "search:\n"
      "  quant_lr: {low: 1e-5, high: 1e-2, log: true}\n"
      "  epochs: {low: 1, high: 3, step: 0.5}\n"
      "  batch_size: {low: 1, high: 8, log: true}\n"
      "  lr_schedule: {choice: [cosine, chained_cosine]}\n"
      "  keep_best: [true, false]\n"
      "trials: 27\nbudget: 1h30m\nbatch: 6\nstartup: 12\nseed: 3\nmetric: perplexity\n"
      "halving: {min_blocks: 2, eta: 4, order: asynchronous}\n",
      "tune.yaml", "dir");
  ASSERT_TRUE(tune.ok()) << tune.status();
  EXPECT_EQ(tune->name, "rates");
  EXPECT_EQ(tune->base.model_path, "dir/m");
  EXPECT_EQ(tune->base.spec.recipe().wbits(), 2);
  ASSERT_EQ(tune->axes.size(), 5u);
  EXPECT_TRUE(tune->axes[0].parameter.log);
  EXPECT_EQ(tune->axes[1].parameter.step, 0.5);
  EXPECT_EQ(tune->axes[2].parameter.kind, search::ParameterKind::kInt);
  EXPECT_EQ(ValueOfAxis(tune->axes[2], int64_t{4}).value, Json(4));
  EXPECT_EQ(ValueOfAxis(tune->axes[3], tune->axes[3].parameter.choices[1]).label, "chained_cosine");
  EXPECT_EQ(ValueOfAxis(tune->axes[4], tune->axes[4].parameter.choices[1]).value, Json(false));
  EXPECT_EQ(tune->trials, 27);
  EXPECT_EQ(tune->budget_seconds, 5400);
  EXPECT_EQ(tune->batch, 6);
  EXPECT_EQ(tune->startup, 12);
  EXPECT_EQ(tune->seed, 3u);
  EXPECT_EQ(tune->metric, "perplexity");
  EXPECT_TRUE(tune->halves);
  EXPECT_EQ(tune->halving.min_blocks(), 2);
  EXPECT_EQ(tune->halving.eta(), 4);
  EXPECT_EQ(tune->halving.order(), "asynchronous");
}

TEST(TuneFile, FlagsWinOverTheFileAndALearningRateSearchIsTheDefault) {
  test::TemporaryDirectory folder;
  const std::string path = folder.path() + "/run.yaml";
  test::WriteFile(path, "name: mine\nmodel: m\ncalib_dataset: c.txt\n");
  TuneFlags flags;
  flags.file = path;
  flags.budget = "2h";
  flags.halving = "none";
  auto tune = LoadTune(flags, {});
  ASSERT_TRUE(tune.ok()) << tune.status();
  EXPECT_EQ(tune->name, "mine");
  EXPECT_FALSE(tune->halves);
  ASSERT_EQ(tune->axes.size(), 2u);
  EXPECT_EQ(tune->axes[0].parameter.name, "quant_lr");
  EXPECT_EQ(tune->axes[1].parameter.name, "weight_lr");
  EXPECT_TRUE(tune->axes[1].parameter.log);
  flags.parameters = {"quant_lr=1e-5..1e-3:log", "epochs=1..3:step=1", "keep_best=true,false"};
  tune = LoadTune(flags, {});
  ASSERT_TRUE(tune.ok()) << tune.status();
  ASSERT_EQ(tune->axes.size(), 3u);
  EXPECT_EQ(tune->axes[0].parameter.high, 1e-3);
  EXPECT_EQ(tune->axes[1].parameter.step, 1);
  EXPECT_EQ(tune->axes[2].choices.size(), 2u);
  RunFlags run_flags;
  run_flags.values["epochs"] = {"2"};
  EXPECT_THAT(MessageOf(LoadTune(flags, run_flags).status()), HasSubstr("--epochs: the search varies epochs itself"));
}

TEST(TuneFile, IsToldFromRunFilesAndSweeps) {
  test::TemporaryDirectory folder;
  const auto is_tune = [&](const std::string& text) {
    test::WriteFile(folder.path() + "/file.yaml", text);
    return IsTuneFile(folder.path() + "/file.yaml");
  };
  EXPECT_TRUE(is_tune("base: run.yaml\n"));
  EXPECT_TRUE(is_tune("base: run.yaml\nbudget: 2h\nhalving: none\n"));
  EXPECT_TRUE(is_tune("search: {quant_lr: [1, 2]}\n"));
  EXPECT_FALSE(is_tune("base: run.yaml\nseeds: [1]\n"));
  EXPECT_FALSE(is_tune("model: m\n"));
  EXPECT_FALSE(is_tune("base: [\n"));
  EXPECT_FALSE(IsTuneFile(folder.path() + "/absent.yaml"));
}

TEST(TuneFile, ATrialTrainsAndNothingElseWhileTheTunedRunIsTheBase) {
  TuneFlags flags;
  test::TemporaryDirectory folder;
  flags.file = folder.path() + "/tune.yaml";
  flags.trials = 4;
  test::WriteFile(flags.file,
                  "base: {model: m, calib_dataset: c.txt, eval_texts: [a.txt, b.txt], real_quant: true, "
                  "save_quant_dir: out}\nsearch: {quant_lr: [1e-4, 1e-3]}\n");
  auto tune = LoadTune(flags, {});
  ASSERT_TRUE(tune.ok()) << tune.status();
  const std::vector<search::ParameterValue> values = {tune->axes[0].parameter.choices[1]};
  auto trial = TrialRequest(*tune, values);
  ASSERT_TRUE(trial.ok()) << trial.status();
  EXPECT_EQ(trial->spec.recipe().quant_lr(), 1e-3);
  EXPECT_EQ(trial->spec.recipe().export_format(), "none");
  EXPECT_FALSE(trial->spec.recipe().eval_ppl());
  EXPECT_TRUE(trial->eval_texts.empty());
  EXPECT_EQ(trial->save_quant_dir, "");
  tune->metric = kPerplexity;
  trial = TrialRequest(*tune, values);
  EXPECT_TRUE(trial->spec.recipe().eval_ppl());
  EXPECT_FALSE(trial->spec.recipe().eval_fp());
  EXPECT_EQ(trial->eval_texts.size(), 1u) << "the text that is compared";
  const auto tuned = TunedRequest(*tune, values);
  EXPECT_EQ(tuned->spec.recipe().quant_lr(), 1e-3);
  EXPECT_EQ(tuned->eval_texts.size(), 2u);
  EXPECT_TRUE(tuned->real_quant.value());
}

TEST(TuneFile, EachMistakeIsOneLineWithItsPlace) {
  const std::string base = "base: {model: m}\n";
  const std::string search = base + "search:\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "tune.yaml: is empty; a search needs base, and a budget or trials"},
      {"trials: 3\n", "tune.yaml: has no base; give the keys of a run, or a run file's path"},
      {base + "tirals: 3\n", "tune.yaml:2:1: unknown key \"tirals\"; did you mean trials?"},
      {base + "wbits: 3\n", "tune.yaml:2:1: wbits is a key of a run; put it under base, or under search"},
      {base + "seeds: [1]\n", "tune.yaml:2:1: key \"seeds\" makes this a sweep; lwq sweep takes it"},
      {"base: {name: x}\n", "tune.yaml:1:8: name: the search's own name stands beside base; trials are named by it"},
      {base + "trials: 0\n", "tune.yaml:2:9: trials: 0 is not within 1 to 1000000"},
      {base + "trials: many\n", "tune.yaml:2:9: trials: expected a whole number, got \"many\""},
      {base + "trials: \"3\"\n", "tune.yaml:2:9: trials: expected a whole number, got the quoted text \"3\""},
      {base + "budget: 7200\n", "tune.yaml:2:9: budget: expected a time such as 2h, 90m or 1h30m, got \"7200\""},
      {base + "budget: -2h\n", "tune.yaml:2:9: budget: expected a time such as 2h, 90m or 1h30m, got \"-2h\""},
      {base + "metric: loss\n", "tune.yaml:2:9: metric: expected block_loss or perplexity, got \"loss\""},
      {base + "halving: maybe\n",
       "tune.yaml:2:10: halving: expected none, synchronous, asynchronous, or a mapping of "
       "min_blocks, eta and order, got \"maybe\""},
      {base + "halving: {eta: 1}\n", "tune.yaml:2:16: eta: 1 is not within 2 to 1000000"},
      {base + "halving: {rungs: 1}\n",
       "tune.yaml:2:11: unknown key \"rungs\"; the keys of halving are min_blocks, eta and order"},
      {base + "halving: {metric: perplexity}\n",
       "tune.yaml:2:11: halving: metric stands beside halving; trials without it are compared, too"},
      {base + "search: []\n", "tune.yaml:2:9: search: expected a mapping of \"key: range\", got a list"},
      {search + "  quant_rl: {low: 1, high: 2}\n", "tune.yaml:3:3: unknown key \"quant_rl\"; did you mean quant_lr?"},
      {search + "  model: [a, b]\n",
       "tune.yaml:3:3: model: is nothing to search over; give keys of training, such as quant_lr or epochs"},
      {search + "  quant_lr: 1e-4\n",
       "tune.yaml:3:13: quant_lr: expected a range such as {low: 1, high: 4} or a list of values, got \"1e-4\"; one "
       "value for all runs belongs under base"},
      {search + "  quant_lr: {low: 1e-4}\n", "tune.yaml:3:13: quant_lr: the range has no high; give it one"},
      {search + "  quant_lr: {low: 1e-4, hihg: 1}\n",
       "tune.yaml:3:25: quant_lr: unknown key \"hihg\"; did you mean high?"},
      {search + "  quant_lr: {low: x, high: 1}\n", "tune.yaml:3:19: quant_lr: low: expected a number, got \"x\""},
      {search + "  quant_lr: {low: 1e-3, high: 1e-4}\n",
       "tune.yaml:3:13: quant_lr: low 0.001 is not below high 0.0001"},
      {search + "  quant_lr: {low: 1e-3, high: 11}\n",
       "tune.yaml:3:13: quant_lr: high 11 is not within 0 to 10; give a narrower range"},
      {search + "  quant_lr: {low: 0, high: 1, log: true}\n",
       "tune.yaml:3:13: quant_lr: log needs a positive low, not 0"},
      {search + "  quant_lr: {low: 0, high: 1, log: sometimes}\n",
       "tune.yaml:3:36: quant_lr: log: expected true or false, got \"sometimes\""},
      {search + "  batch_size: {low: 0.5, high: 4}\n",
       "tune.yaml:3:21: batch_size: low: expected an integer, got \"0.5\""},
      {search + "  wbits: {low: 2, high: 8}\n",
       "tune.yaml:3:11: wbits: takes 2, 3, 4, 5, 6 or 8 and nothing between; give a list of values"},
      {search + "  lr_schedule: {low: 1, high: 2}\n",
       "tune.yaml:3:17: lr_schedule: takes a text and has no range; give a list of values"},
      {search + "  lr_schedule: [cosine]\n",
       "tune.yaml:3:16: lr_schedule: has 1 choices, and a search needs at least 2; set a fixed value in the base run"},
      {search + "  keep_best: {choice: [true, false], log: true}\n",
       "tune.yaml:3:15: keep_best: choice stands beside a range; give one of them"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(ErrorOf(text), error) << text;
}

TEST(TuneFile, ASearchWithoutAnEndOrAMetricIsRefused) {
  test::TemporaryDirectory folder;
  const auto error = [&](const std::string& text) {
    TuneFlags flags;
    flags.file = folder.path() + "/tune.yaml";
    test::WriteFile(flags.file, text);
    return std::string(MessageOf(LoadTune(flags, {}).status()));
  };
  const std::string base = "base: {model: m, calib_dataset: c.txt";
  EXPECT_THAT(error(base + "}\n"), HasSubstr("has no end; give a budget of device time (budget: 2h) or a number"));
  EXPECT_THAT(error(base + ", method: rtn}\ntrials: 3\n"), HasSubstr("method rtn trains nothing that could be tuned"));
  EXPECT_THAT(error(base + "}\ntrials: 3\nmetric: perplexity\n"), HasSubstr("metric perplexity needs a text"));
  EXPECT_THAT(error(base + ", val_size: 0}\ntrials: 3\n"), HasSubstr("metric block_loss needs validation windows"));
  TuneFlags flags;
  flags.parameters = {"quant_lr"};
  EXPECT_THAT(MessageOf(LoadTune(flags, {}).status()), HasSubstr("--param: expected KEY=LOW..HIGH or KEY=VALUE,VALUE"));
  flags.parameters = {"quant_lr=1e-5..1e-3:lgo"};
  EXPECT_THAT(MessageOf(LoadTune(flags, {}).status()),
              HasSubstr("--param: quant_lr: unknown option \"lgo\" of a range"));
}

TEST(RunFileText, ReadsBackAsTheSameRequest) {
  const auto request = ParseRunFile(
      "name: \"a: strange, name\"\nmodel: /m x\nnet: 'yes'\ncalib_dataset: /c.txt\n"
      "eval_texts: [{\"held out\": /h.txt}, /v.txt]\nquant_lr: 3.142e-4\nepochs: 2\nwbits: 2\nkeep_best: false\n"
      "sensitivity_bits: [2, 3]\nkind_classes: {advance: \"A100 | x\"}\npriority: -3\nreal_quant: true\n",
      "run.yaml", "");
  ASSERT_TRUE(request.ok()) << request.status();
  const std::string text = RunFileText(*request, {"where it came from"});
  EXPECT_THAT(text, testing::StartsWith("# where it came from\nname: \"a: strange, name\"\n"));
  const auto again = ParseRunFile(text, "run.yaml", "elsewhere");
  ASSERT_TRUE(again.ok()) << again.status() << text;
  EXPECT_EQ(again->spec.DebugString(), request->spec.DebugString());
  EXPECT_EQ(RunFileText(*again, {}), RunFileText(*request, {}));
  EXPECT_EQ(again->model_name, "yes");
  EXPECT_EQ(again->eval_texts[0].name, "held out");
  EXPECT_EQ(again->real_quant, true);
}

}  // namespace
}  // namespace lwq::client
