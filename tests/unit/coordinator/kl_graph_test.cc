// SPDX-License-Identifier: Apache-2.0
// Which tasks compare a quantized model with the full-precision one, and who shares them.
#include <algorithm>
#include <map>
#include <set>

#include "common/task/task_params.h"
#include "coordinator/graph/run_graph.h"
#include "coordinator/plan/cost/task_costs.h"
#include "coordinator/scheduler/choose/run_ahead.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/planned_graph.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::HasSubstr;
using testing::KeysOfKind;
using testing::NamedArtifact;
using testing::Out;
using testing::RtnSpec;
using testing::SchedulerHarness;
using testing::TasksOf;
using testing::Titled;

RunSpec Compared(RunSpec spec) {
  spec.recipe.eval_kl = true;
  return spec;
}

std::map<TaskKind, int> KindsIn(const std::vector<PlannedTask>& tasks) {
  std::map<TaskKind, int> kinds;
  for (const PlannedTask& task : tasks) ++kinds[task.def.kind];
  return kinds;
}

TEST(KlGraphTest, EachModelPassesOverTheTextOnceAndGivesItsPerplexityToo) {
  const std::vector<PlannedTask> tasks = TasksOf(Compared(BlockApSpec(2)));
  const PlannedTask& reference = Titled(tasks, "evaluate fp on held-out as reference");
  const PlannedTask& compared = Titled(tasks, "compare block_ap with fp on held-out");
  const PlannedTask& kl = Titled(tasks, "KL divergence of block_ap on held-out");
  EXPECT_EQ(reference.def.inputs.size(), 2u) << "model and tokens, no block: nothing of the recipe's";
  EXPECT_EQ(compared.def.inputs.at("reference"), Out(reference, "hidden"));
  EXPECT_EQ(compared.def.inputs.at("tokens"), reference.def.inputs.at("tokens"));
  EXPECT_EQ(compared.def.inputs.at("block.1"), Out(Titled(tasks, "train block 1"), "block"));
  EXPECT_EQ(kl.def.inputs.at("divergences.0"), Out(compared, "divergences"));
  EXPECT_EQ(kl.purpose, TaskPurpose::kEvaluation);
  EXPECT_EQ(kl.evaluated_model, "block_ap");
  EXPECT_EQ(kl.evaluated_text, "held-out");
  EXPECT_EQ(Titled(tasks, "perplexity of fp on held-out").def.inputs.at("losses.0"), Out(reference, "losses"));
  EXPECT_EQ(Titled(tasks, "perplexity of block_ap on held-out").def.inputs.at("losses.0"), Out(compared, "losses"));
  EXPECT_EQ(KindsIn(tasks)[TaskKind::kEvaluatePpl], 0);
}

TEST(KlGraphTest, WithoutItNoTaskChangesItsKey) {
  const std::vector<PlannedTask> plain = TasksOf(BlockApSpec(2));
  RunSpec off = BlockApSpec(2);
  off.recipe.eval_kl = false;
  const std::vector<PlannedTask> same = TasksOf(off);
  ASSERT_EQ(plain.size(), same.size());
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(plain[i].key, same[i].key);
  EXPECT_EQ(KindsIn(plain)[TaskKind::kEvaluateReference], 0);
  // And with it only what evaluates is another.
  std::set<Digest> keys;
  for (const PlannedTask& task : TasksOf(Compared(BlockApSpec(2)))) keys.insert(task.key);
  for (const PlannedTask& task : plain) {
    const bool evaluates = task.def.kind == TaskKind::kEvaluatePpl || task.def.kind == TaskKind::kReducePpl;
    EXPECT_NE(keys.contains(task.key), evaluates) << task.title;
  }
}

TEST(KlGraphTest, RunsOfOtherMethodsWidthsAndTrainingsShareTheReference) {
  const RunSpec base = Compared(BlockApSpec(2));
  const auto references = KeysOfKind(TasksOf(base), TaskKind::kEvaluateReference);
  ASSERT_EQ(references.size(), 1u);
  std::vector<RunSpec> others(4, base);
  others[0].recipe.wbits = 4;
  others[1].recipe.method = "rtn";
  others[2].recipe.epochs = 7;
  others[3].recipe.eval_fp = false;  // the reference's own perplexity is not asked for
  for (const RunSpec& other : others) {
    const std::vector<PlannedTask> tasks = TasksOf(other);
    EXPECT_EQ(KeysOfKind(tasks, TaskKind::kEvaluateReference), references);
  }
  RunSpec windows = base;
  windows.recipe.ppl_seqlen = 16;
  EXPECT_NE(KeysOfKind(TasksOf(windows), TaskKind::kEvaluateReference), references);
}

TEST(KlGraphTest, PerplexitiesAreLeftOutWhereTheyAreNotAskedFor) {
  RunSpec spec = Compared(BlockApSpec(2));
  spec.recipe.eval_fp = false;
  EXPECT_EQ(KindsIn(TasksOf(spec))[TaskKind::kReducePpl], 1) << "the quantized model's";
  spec.recipe.eval_ppl = false;
  std::map<TaskKind, int> kinds = KindsIn(TasksOf(spec));
  EXPECT_EQ(kinds[TaskKind::kReducePpl], 0);
  EXPECT_EQ(kinds[TaskKind::kEvaluateReference], 1);
  EXPECT_EQ(kinds[TaskKind::kReduceKl], 1);
}

TEST(KlGraphTest, EveryShardIsComparedWithItsOwnReference) {
  RunSpec spec = Compared(BlockApSpec(1));
  spec.eval_texts[0].files.size_bytes = 4 * 32 * 4;  // four windows of 32 tokens
  spec.recipe.eval_shard_windows = 1;
  const std::vector<PlannedTask> tasks = TasksOf(spec);
  for (int shard = 0; shard < 4; ++shard) {
    const std::string place = absl::StrCat(" (", shard + 1, "/4)");
    const PlannedTask& reference = Titled(tasks, "evaluate fp on held-out as reference" + place);
    const PlannedTask& compared = Titled(tasks, "compare block_ap with fp on held-out" + place);
    EXPECT_EQ(compared.def.inputs.at("reference"), Out(reference, "hidden"));
    EXPECT_EQ(EvaluateKlParams::FromJson(compared.def.params)->shard, shard);
    EXPECT_EQ(Titled(tasks, "KL divergence of block_ap on held-out").def.inputs.at(absl::StrCat("divergences.", shard)),
              Out(compared, "divergences"));
  }
}

TEST(KlGraphTest, AComparisonIsPlannedWithMoreMemoryThanAnEvaluation) {
  const StatusOr<ResolvedSpec> resolved = ResolveSpec(Compared(BlockApSpec(2)));
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  const auto memory = [&](TaskKind kind) { return TaskMemoryBytes(kind, *resolved->model, resolved->recipe); };
  EXPECT_GT(memory(TaskKind::kEvaluateReference), memory(TaskKind::kEvaluatePpl));
  EXPECT_GT(memory(TaskKind::kEvaluateKl), memory(TaskKind::kEvaluateReference));
  EXPECT_EQ(memory(TaskKind::kReduceKl), 0);
}

TEST(KlGraphTest, WhatHasNothingToCompareIsRefusedBeforeAnythingRuns) {
  const auto refused = [](const RunSpec& spec) {
    const Status status = ResolveSpec(spec).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(MessageOf(status));
  };
  RunSpec none = Compared(BlockApSpec(2));
  none.recipe.method = "none";
  EXPECT_THAT(refused(none), HasSubstr("eval_kl compares the quantized model with the full-precision one, but method "
                                       "'none' quantizes nothing: leave eval_kl out"));
  none.recipe.method = "sensitivity";
  EXPECT_THAT(refused(none), HasSubstr("method 'sensitivity' quantizes nothing"));
  EXPECT_THAT(refused(Compared(RtnSpec(2))), HasSubstr("eval_kl compares models on eval_texts, and there is none"));
}

TEST(KlGraphTest, WhatItMeasuresIsTheRunsWithTheTokenizersBos) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(Compared(BlockApSpec(1)));
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) ASSERT_TRUE(harness.Succeed(worker, *lease).ok());
  ASSERT_EQ(harness.run(run).record.state, RunState::kSucceeded) << harness.run(run).record.error;
  const std::vector<Measured>& measured = harness.run(run).record.result.measured;
  EXPECT_EQ(measured.size(), 3u) << "two perplexities and a divergence";
  const auto kl = std::find_if(measured.begin(), measured.end(),
                               [](const Measured& one) { return one.metric == kKlDivergenceMetric; });
  ASSERT_NE(kl, measured.end());
  EXPECT_EQ(*kl, (Measured{"block_ap", "held-out", "kl_divergence", 0.5, 0.1, 99, true}));
}

TEST(KlGraphTest, BeyondTheBudgetOfActivationsAReferenceNobodyCanReadYetWaits) {
  RunSpec spec = Compared(BlockApSpec(2));
  spec.recipe.eval_ppl = false;  // no perplexity follows from it
  for (const bool limited : {false, true}) {
    SchedulerHarness harness(testing::ActivationBudget(limited ? 0 : int64_t{1} << 40));
    const WorkerId a = harness.Register("a"), b = harness.Register("b");
    const RunId run = harness.Submit(spec);
    harness.RunUntil(a, "train block 0");
    std::vector<std::string> titles;
    while (const std::optional<Lease> lease = harness.LeaseTo(b)) {
      titles.push_back(lease->title);
      ASSERT_TRUE(harness.Succeed(b, *lease).ok());
    }
    const bool ran = std::find(titles.begin(), titles.end(), "evaluate fp on held-out as reference") != titles.end() ||
                     harness.TaskTitled(run, "evaluate fp on held-out as reference").state == TaskState::kSucceeded;
    EXPECT_EQ(ran, !limited);
  }
}

TEST(DocumentTaskGraphTest, WikitextIsPreparedInWindowsOfPplSeqlenAndOtherTasksNameNone) {
  RunSpec spec = RtnSpec(1);
  spec.eval_tasks = {{"wikitext", NamedArtifact("pages")}, {"lambada_openai", NamedArtifact("passages")}};
  spec.recipe.ppl_seqlen = 24;
  const std::vector<PlannedTask> tasks = TasksOf(spec);
  EXPECT_EQ(Titled(tasks, "prepare wikitext").def.params,
            (Json{{"task", "wikitext"}, {"add_bos", "auto"}, {"limit", 0}, {"window", 24}}));
  EXPECT_EQ(Titled(tasks, "prepare lambada_openai").def.params,
            (Json{{"task", "lambada_openai"}, {"add_bos", "auto"}, {"limit", 0}}));
  EXPECT_EQ(Titled(tasks, "word perplexity of rtn on wikitext").evaluated_text, "wikitext");
  EXPECT_EQ(Titled(tasks, "accuracy of rtn on lambada_openai").evaluated_model, "rtn");
}

}  // namespace
}  // namespace lwq::coordinator
