// SPDX-License-Identifier: Apache-2.0
// Comparisons as sweep files: what is compared, and what quick and full ask for.
#include "client/run_file/comparison_file.h"

#include <algorithm>
#include <map>
#include <set>

#include "client/run_file/comparison_arms.h"
#include "client/run_file/read_run_file.h"
#include "client/run_file/run_fields.h"
#include "common/recipe/choices.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::client {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

RunRequest RequestOf(const std::string& text) {
  auto request = ParseRunFile(text, "run.yaml", "/dir");
  EXPECT_TRUE(request.ok() && CompleteRunRequest(&*request).ok()) << request.status();
  return *std::move(request);
}

constexpr char kPlainRun[] = "name: mine\nmodel: m\ncalib_dataset: c.txt\neval_texts: [{held: h.txt}, {wiki: w.txt}]\n";

SweepRuns RunsOf(const std::string& run, ComparisonSize size, const std::vector<std::string>& arms = {}) {
  const auto comparison = ComparisonOf(RequestOf(run), size, arms);
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  auto runs = RunsOfComparison(*comparison);
  EXPECT_TRUE(runs.ok()) << runs.status() << "\n" << comparison->text;
  return *std::move(runs);
}

std::string LabelIn(const SweepArm& arm, const std::string& key) {
  for (const auto& [name, label] : arm.labels) {
    if (name == key) return label;
  }
  return "";
}

// Runs of an arm, by width.
std::map<std::string, int> CountsByArm(const SweepRuns& runs) {
  std::map<std::string, int> counts;
  for (const SweepArm& arm : runs.arms) ++counts[LabelIn(arm, kArmKey)];
  return counts;
}

TEST(ComparisonTest, EveryMethodAndEveryStrategyOfTheRecipeIsComparedOrLeftOutWithAReason) {
  std::set<std::pair<std::string, std::string>> told;
  for (const ComparisonArm& arm : ComparisonArms()) told.insert(arm.keys.begin(), arm.keys.end());
  for (const LeftOutOfComparison& word : WordsLeftOutOfComparisons()) {
    EXPECT_FALSE(word.reason.empty()) << word.word;
    EXPECT_TRUE(told.insert({word.key, word.word}).second) << word.word << " is both";
  }
  for (const std::string_view method : kWords<Method>) {
    EXPECT_TRUE(told.contains({"method", std::string(method)}))
        << "method " << method << ": give it an arm in client/run_file/comparison_arms.cc, or leave it out there";
  }
  for (const std::string_view strategy : kWords<MpqStrategy>) {
    EXPECT_TRUE(told.contains({"mpq_strategy", std::string(strategy)}))
        << "mpq_strategy " << strategy << ": give it an arm in client/run_file/comparison_arms.cc, or leave it out";
  }
}

TEST(ComparisonTest, ArmsHaveNamesOfTheirOwnAndKeysOfARun) {
  std::set<std::string> names;
  for (const ComparisonArm& arm : ComparisonArms()) {
    EXPECT_TRUE(names.insert(arm.name).second) << arm.name;
    for (const auto& [key, value] : arm.keys) EXPECT_NE(FindRunField(key), nullptr) << key;
  }
  EXPECT_TRUE(names.contains(kComparedWith));
}

TEST(ComparisonTest, FullIsThreeWidthsAndThreeSeedsOfWhatDrawsAtRandom) {
  const SweepRuns runs = RunsOf(kPlainRun, ComparisonSize::kFull);
  const std::map<std::string, int> counts = CountsByArm(runs);
  EXPECT_EQ(counts.at("fp"), 1);
  EXPECT_EQ(counts.at("rtn"), 3) << "a run for each width, whatever the seed";
  EXPECT_EQ(counts.at("gptq"), 9);
  EXPECT_EQ(counts.at("mpq_optimal"), 6) << "at 2 bits there is nothing to mix";
  EXPECT_EQ(counts.size(), ComparisonArms().size());
  for (size_t i = 0; i < runs.requests.size(); ++i) {
    const lwqat::v1::Recipe& recipe = runs.requests[i].spec.recipe();
    EXPECT_EQ(recipe.train_size(), 128) << "one calibration set for all, the preset efficientqat too";
    EXPECT_EQ(recipe.export_format(), "none");
    EXPECT_EQ(recipe.eval_kl(), recipe.method() != "none") << runs.arms[i].name;
    if (LabelIn(runs.arms[i], kArmKey) != "mpq_optimal") continue;
    EXPECT_EQ(recipe.target_avg_bits(), recipe.wbits() + (16 + recipe.wbits()) / 128.0) << "what rounding stores";
  }
}

TEST(ComparisonTest, TheRunsOwnWidthAndSeedAreKept) {
  const SweepRuns runs = RunsOf(std::string(kPlainRun) + "wbits: 3\nseed: 7\n", ComparisonSize::kFull, {"gptq"});
  ASSERT_EQ(runs.requests.size(), 3u);
  std::vector<int64_t> seeds;
  for (const RunRequest& request : runs.requests) {
    EXPECT_EQ(request.spec.recipe().wbits(), 3);
    seeds.push_back(request.spec.recipe().seed());
  }
  EXPECT_THAT(seeds, ElementsAre(7, 8, 9));
}

TEST(ComparisonTest, QuickNeverAsksForMoreThanTheRun) {
  const SweepRuns runs = RunsOf(std::string(kPlainRun) +
                                    "train_size: 16\nval_size: 0\nepochs: 0.5\ntraining_seqlen: 2048\n"
                                    "sensitivity_samples: 16\neval_tasks: {piqa: p.jsonl}\neval_limit: 5\n",
                                ComparisonSize::kQuick);
  EXPECT_EQ(runs.requests.size(), ComparisonArms().size());
  for (const RunRequest& request : runs.requests) {
    const lwqat::v1::Recipe& recipe = request.spec.recipe();
    EXPECT_EQ(recipe.train_size(), 16);
    EXPECT_EQ(recipe.val_size(), 0);
    EXPECT_EQ(recipe.epochs(), 0.5);
    EXPECT_EQ(recipe.training_seqlen(), 512);
    EXPECT_EQ(recipe.sensitivity_samples(), 16);
    EXPECT_EQ(recipe.eval_limit(), 5);
    EXPECT_EQ(recipe.wbits(), 4);
    EXPECT_FALSE(recipe.has_eval_kl());
    EXPECT_EQ(request.eval_texts.size(), 1u);
  }
  const SweepRuns plain = RunsOf(kPlainRun, ComparisonSize::kQuick, {"block_ap"});
  EXPECT_EQ(plain.requests[0].spec.recipe().train_size(), 32);
  EXPECT_EQ(plain.requests[0].spec.recipe().epochs(), 1);
  EXPECT_FALSE(plain.requests[0].spec.recipe().has_training_seqlen()) << "the model's window may be shorter";
}

TEST(ComparisonTest, WhatTellsArmsApartIsNotTheRunsToSay) {
  const auto comparison = ComparisonOf(
      RequestOf(std::string(kPlainRun) + "method: gptq\nuse_mixed_precision: true\nreal_quant: true\nserve: [vllm]\n"),
      ComparisonSize::kQuick, {});
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_THAT(comparison->remarks, ElementsAre(AllOf(HasSubstr("method, use_mixed_precision, export_format, serve"),
                                                     HasSubstr("is left out"))));
  EXPECT_THAT(comparison->text, AllOf(Not(HasSubstr("use_mixed_precision")), Not(HasSubstr("serve"))));
}

TEST(ComparisonTest, RelayEndsWithBlockApAndOthersGoOneAfterTheOther) {
  const SweepRuns runs =
      RunsOf(std::string(kPlainRun) + "handoff: relay\n", ComparisonSize::kQuick, {"rtn", "gptq", "block_ap"});
  ASSERT_EQ(runs.requests.size(), 3u);
  EXPECT_EQ(runs.requests[1].spec.recipe().handoff(), "sequential");
  EXPECT_EQ(runs.requests[2].spec.recipe().handoff(), "relay");
}

TEST(ComparisonTest, AtTheNarrowestWidthNothingIsMixedAndThatIsSaid) {
  const auto comparison =
      ComparisonOf(RequestOf(std::string(kPlainRun) + "wbits: 2\n"), ComparisonSize::kQuick, {"rtn", "joint"});
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_THAT(comparison->remarks, Contains(HasSubstr("left out are joint")));
  EXPECT_EQ(RunsOfComparison(*comparison)->requests.size(), 1u);
}

TEST(ComparisonTest, NamesThatYamlWouldReadOtherwiseAreRunAsTheyAre) {
  const SweepRuns runs =
      RunsOf("name: 'a: {b} # \"c\"'\nnet: 'no'\nmodel: '/m [1]'\ncalib_dataset: c.txt\neval_texts: {'x, y': h.txt}\n",
             ComparisonSize::kQuick, {"rtn"});
  ASSERT_EQ(runs.requests.size(), 1u);
  EXPECT_EQ(runs.name, "a: {b} # \"c\" compare quick");
  EXPECT_EQ(runs.requests[0].model_path, "/m [1]");
  EXPECT_EQ(runs.requests[0].model_name, "no");
  EXPECT_EQ(runs.requests[0].eval_texts[0].name, "x, y");
}

TEST(ComparisonTest, WhatCannotBeComparedIsOneClearLine) {
  const auto refused = [](const std::string& run, const std::vector<std::string>& arms) {
    return std::string(MessageOf(ComparisonOf(RequestOf(run), ComparisonSize::kFull, arms).status()));
  };
  EXPECT_THAT(refused(kPlainRun, {"rtn", "gtpq"}), HasSubstr("--arms: unknown arm \"gtpq\"; did you mean gptq?"));
  EXPECT_THAT(refused("model: m\ncalib_dataset: c.txt\n", {}), HasSubstr("run.yaml: there is nothing to compare"));
  RunRequest no_utf8 = RequestOf(kPlainRun);
  no_utf8.model_path = "/\xFF/m";
  EXPECT_THAT(std::string(MessageOf(ComparisonOf(no_utf8, ComparisonSize::kFull, {}).status())),
              HasSubstr("is not UTF-8"));
  const auto without =
      ComparisonOf(RequestOf("model: m\nmethod: rtn\neval_texts: [h.txt]\n"), ComparisonSize::kFull, {});
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_THAT(std::string(MessageOf(RunsOfComparison(*without).status())),
              HasSubstr("arm gptq wbits=4 seed=2: method gptq needs calib_dataset"));
}

}  // namespace
}  // namespace lwq::client
