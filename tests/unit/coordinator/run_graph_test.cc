// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/run_graph.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/task/numerics_class.h"
#include "common/task/task_params.h"
#include "coordinator/plan/recipe/eval_shards.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/planned_graph.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NamedArtifact;
using testing::NoopSpec;
using testing::Out;
using testing::RtnSpec;
using testing::Titled;
using ::testing::UnorderedElementsAre;

const std::string kBase = "cpu|avx512|torch";

std::vector<PlannedTask> Graph(const RunSpec& spec, const std::string& base = kBase) {
  return testing::TasksOf(spec, base);
}

std::set<Digest> Keys(const std::vector<PlannedTask>& graph) {
  std::set<Digest> keys;
  for (const PlannedTask& task : graph) keys.insert(task.key);
  return keys;
}

TEST(BuildRunGraphTest, BlockApHasTheTasksOfTheSequentialHandoff) {
  const std::vector<PlannedTask> graph = Graph(BlockApSpec(3));
  std::map<TaskKind, int> kinds;
  for (const PlannedTask& task : graph) ++kinds[task.def.kind];
  EXPECT_EQ(kinds[TaskKind::kTokenize], 2);  // calibration windows, held-out stream
  EXPECT_EQ(kinds[TaskKind::kEmbed], 1);
  EXPECT_EQ(kinds[TaskKind::kAdvance], 3 + 2);  // n full precision, n−1 quantized
  EXPECT_EQ(kinds[TaskKind::kTrainBlock], 3);
  EXPECT_EQ(kinds[TaskKind::kEvaluatePpl], 2);  // fp and block_ap, a shard each
  EXPECT_EQ(kinds[TaskKind::kReducePpl], 2);
  EXPECT_EQ(kinds[TaskKind::kExport], 1);
}

RunSpec SpecWithTask(RunSpec spec, int64_t size_bytes = 1000) {
  spec.eval_tasks = {{"piqa", NamedArtifact("piqa items")}};
  spec.eval_tasks[0].files.size_bytes = size_bytes;
  return spec;
}

TEST(BuildRunGraphTest, AZeroShotTaskIsAskedOfBothModelsInShardsThatReadItsRequests) {
  RunSpec spec = SpecWithTask(BlockApSpec(2));
  spec.recipe.eval_limit = 7;
  spec.recipe.add_bos = "never";
  const std::vector<PlannedTask> graph = Graph(spec);
  const PlannedTask& prepare = Titled(graph, "prepare piqa");
  EXPECT_EQ(prepare.def.params, (Json{{"task", "piqa"}, {"add_bos", "never"}, {"limit", 7}}));
  EXPECT_EQ(prepare.def.inputs.at("items"), TaskInput(spec.eval_tasks[0].files));
  EXPECT_EQ(prepare.def.inputs.at("tokenizer"), TaskInput(spec.model->tokenizer));
  for (const std::string label : {"fp", "block_ap"}) {
    const PlannedTask& score = Titled(graph, "ask " + label + " piqa");
    EXPECT_EQ(score.def.inputs.at("requests"), Out(prepare, "requests"));
    EXPECT_EQ(score.def.inputs.contains("block.1"), label == "block_ap");
    const PlannedTask& reduce = Titled(graph, "accuracy of " + label + " on piqa");
    EXPECT_EQ(reduce.def.inputs.at("requests"), Out(prepare, "requests"));
    EXPECT_EQ(reduce.def.inputs.at("scores.0"), Out(score, "scores"));
    EXPECT_EQ(reduce.purpose, TaskPurpose::kEvaluation);
    EXPECT_EQ(reduce.evaluated_text, "piqa");
  }
  const std::vector<PlannedTask> without = Graph(BlockApSpec(2));
  for (const Digest& key : Keys(without)) EXPECT_TRUE(Keys(graph).contains(key)) << "no other task changes its key";
  EXPECT_EQ(graph.size(), without.size() + 5);
  EXPECT_EQ(RunSpecFromJson(RunSpecToJson(spec))->eval_tasks[0].files, spec.eval_tasks[0].files);
  EXPECT_FALSE(RunSpecToJson(BlockApSpec(2)).contains("eval_tasks")) << "runs without are stored as before";
}

TEST(BuildRunGraphTest, ShardsOfATaskFollowFromItsFileAndTheLimit) {
  RunSpec spec = SpecWithTask(RtnSpec(1), 10'000'000);
  spec.recipe.eval_fp = false;
  const auto shards = [](const std::vector<PlannedTask>& graph) {
    return std::count_if(graph.begin(), graph.end(),
                         [](const PlannedTask& task) { return task.def.kind == TaskKind::kScoreRequests; });
  };
  EXPECT_EQ(shards(Graph(spec)), 156) << "of about 16,384 tokens, a multiple of four";
  spec.recipe.eval_limit = 100;
  EXPECT_EQ(shards(Graph(spec)), 2) << "a hundred items are about as many kilobytes";
}

TEST(BuildRunGraphTest, InputsComeFromTheQuantizedChainAndTargetsFromTheFullPrecisionChain) {
  const std::vector<PlannedTask> graph = Graph(BlockApSpec(3));
  const PlannedTask& embed = Titled(graph, "embed calibration tokens");
  const PlannedTask& fp0 = Titled(graph, "advance full-precision block 0");
  const PlannedTask& fp1 = Titled(graph, "advance full-precision block 1");
  const PlannedTask& train0 = Titled(graph, "train block 0");
  const PlannedTask& train1 = Titled(graph, "train block 1");
  const PlannedTask& q0 = Titled(graph, "advance quantized block 0");

  EXPECT_EQ(embed.def.inputs.at("tokens"), Out(Titled(graph, "prepare calibration tokens"), "tokens"));
  EXPECT_EQ(fp0.def.inputs.at("activations"), Out(embed, "activations"));
  EXPECT_FALSE(fp0.def.inputs.contains("block"));
  EXPECT_EQ(fp1.def.inputs.at("activations"), Out(fp0, "activations"));
  EXPECT_EQ(train0.def.inputs.at("inputs"), Out(embed, "activations"));
  EXPECT_EQ(train0.def.inputs.at("targets"), Out(fp0, "activations"));
  EXPECT_EQ(q0.def.inputs.at("activations"), Out(embed, "activations"));
  EXPECT_EQ(q0.def.inputs.at("block"), Out(train0, "block"));
  EXPECT_EQ(train1.def.inputs.at("inputs"), Out(q0, "activations"));
  EXPECT_EQ(train1.def.inputs.at("targets"), Out(fp1, "activations"));
}

TEST(BuildRunGraphTest, ExportAndEvaluationReadEveryCheckpoint) {
  const std::vector<PlannedTask> graph = Graph(BlockApSpec(2));
  const PlannedTask& exported = Titled(graph, "export gptq_v2");
  const PlannedTask& evaluated = Titled(graph, "evaluate block_ap on held-out");
  for (const PlannedTask* task : {&exported, &evaluated}) {
    EXPECT_EQ(task->def.inputs.at("block.0"), Out(Titled(graph, "train block 0"), "block"));
    EXPECT_EQ(task->def.inputs.at("block.1"), Out(Titled(graph, "train block 1"), "block"));
  }
  const PlannedTask& fp = Titled(graph, "evaluate fp on held-out");
  EXPECT_EQ(fp.def.inputs.size(), 2u) << "model and tokens only";
  const PlannedTask& reduced = Titled(graph, "perplexity of block_ap on held-out");
  EXPECT_EQ(Titled(graph, "perplexity of fp on held-out").evaluated_model, "fp");
  EXPECT_EQ(reduced.evaluated_model, "block_ap");
  EXPECT_EQ(reduced.evaluated_text, "held-out");
  EXPECT_EQ(reduced.def.inputs, (std::map<std::string, TaskInput>{{"losses.0", Out(evaluated, "losses")}}));
}

TEST(BuildRunGraphTest, ALongTextIsEvaluatedInShardsWhoseNumberFollowsFromItsSizeAlone) {
  RunSpec spec = BlockApSpec(2);
  spec.recipe.method = "none";
  spec.eval_texts[0].files.size_bytes = 1'000'000;  // about 7,800 windows of 32 tokens
  spec.recipe.eval_shard_windows = 1000;
  const std::vector<PlannedTask> graph = Graph(spec);
  const PlannedTask& reduced = Titled(graph, "perplexity of fp on held-out");
  ASSERT_EQ(graph.size(), 1u + 8u + 1u);
  for (int64_t shard = 0; shard < 8; ++shard) {
    const PlannedTask& task = Titled(graph, absl::StrCat("evaluate fp on held-out (", shard + 1, "/8)"));
    const EvaluatePplParams params = *EvaluatePplParams::FromJson(task.def.params);
    EXPECT_EQ(params.shard, shard);
    EXPECT_EQ(params.shards, 8);
    EXPECT_EQ(task.purpose, TaskPurpose::kStep) << "only the reduction is the run's result";
    EXPECT_EQ(reduced.def.inputs.at(absl::StrCat("losses.", shard)), Out(task, "losses"));
    EXPECT_EQ(task.depth, 2);
  }
}

TEST(EvalShardsTest, TwoAndFourWorkersShareThemEvenly) {
  Recipe recipe;
  recipe.ppl_seqlen = 512;
  recipe.eval_shard_windows = DefaultEvalShardWindows(512);
  EXPECT_EQ(recipe.eval_shard_windows, 32);
  const int64_t shard_bytes = 4 * 16384;
  EXPECT_EQ(EvalShards(recipe, 0), 1) << "its size is not known";
  EXPECT_EQ(EvalShards(recipe, shard_bytes), 1);
  EXPECT_EQ(EvalShards(recipe, 2 * shard_bytes), 2);
  EXPECT_EQ(EvalShards(recipe, 2 * shard_bytes + 4 * 512), 4);
  EXPECT_EQ(EvalShards(recipe, 9 * shard_bytes), 12);
  EXPECT_EQ(EvalShards(recipe, int64_t{1} << 49), 256);
  EXPECT_EQ(DefaultEvalShardWindows(32768), 1) << "one window at least";
}

TEST(BuildRunGraphTest, EveryParameterIsReadableByTheWorkersReader) {
  for (const PlannedTask& task : Graph(BlockApSpec(2))) {
    const Json& params = task.def.params;
    switch (task.def.kind) {
      case TaskKind::kTokenize:
        EXPECT_TRUE(TokenizeParams::FromJson(params).ok());
        break;
      case TaskKind::kEmbed:
        EXPECT_TRUE(EmbedParams::FromJson(params).ok());
        break;
      case TaskKind::kAdvance:
        EXPECT_TRUE(AdvanceParams::FromJson(params).ok());
        break;
      case TaskKind::kTrainBlock:
        EXPECT_TRUE(TrainBlockParams::FromJson(params).ok());
        break;
      case TaskKind::kRtnBlock:
        EXPECT_TRUE(RtnBlockParams::FromJson(params).ok());
        break;
      case TaskKind::kEvaluatePpl:
        EXPECT_TRUE(EvaluatePplParams::FromJson(params).ok());
        break;
      case TaskKind::kReducePpl:
        EXPECT_TRUE(ReducePplParams::FromJson(params).ok());
        break;
      case TaskKind::kEvaluateReference:
        EXPECT_TRUE(EvaluateReferenceParams::FromJson(params).ok());
        break;
      case TaskKind::kEvaluateKl:
        EXPECT_TRUE(EvaluateKlParams::FromJson(params).ok());
        break;
      case TaskKind::kReduceKl:
        EXPECT_TRUE(ReduceKlParams::FromJson(params).ok());
        break;
      case TaskKind::kPrepareRequests:
        EXPECT_TRUE(PrepareRequestsParams::FromJson(params).ok());
        break;
      case TaskKind::kScoreRequests:
        EXPECT_TRUE(ScoreRequestsParams::FromJson(params).ok());
        break;
      case TaskKind::kReduceAccuracy:
        EXPECT_TRUE(ReduceAccuracyParams::FromJson(params).ok());
        break;
      case TaskKind::kExport:
        EXPECT_TRUE(ExportParams::FromJson(params).ok());
        break;
      case TaskKind::kLossGradient:
        EXPECT_TRUE(LossGradientParams::FromJson(params).ok());
        break;
      case TaskKind::kBackwardBlock:
        EXPECT_TRUE(BackwardBlockParams::FromJson(params).ok());
        break;
      case TaskKind::kGradientNorm:
        EXPECT_TRUE(GradientNormParams::FromJson(params).ok());
        break;
      case TaskKind::kOutputFisher:
        EXPECT_TRUE(OutputFisherParams::FromJson(params).ok());
        break;
      case TaskKind::kLossDelta:
        EXPECT_TRUE(LossDeltaParams::FromJson(params).ok());
        break;
      case TaskKind::kHessian:
        EXPECT_TRUE(HessianParams::FromJson(params).ok());
        break;
      case TaskKind::kWeightError:
        EXPECT_TRUE(WeightErrorParams::FromJson(params).ok());
        break;
      case TaskKind::kGptqBlock:
        EXPECT_TRUE(GptqBlockParams::FromJson(params).ok());
        break;
      case TaskKind::kFitRounding:
        EXPECT_TRUE(FitRoundingParams::FromJson(params).ok());
        break;
      case TaskKind::kSearchScales:
        EXPECT_TRUE(SearchScalesParams::FromJson(params).ok());
        break;
      case TaskKind::kTrainScales:
        EXPECT_TRUE(TrainScalesParams::FromJson(params).ok());
        break;
      case TaskKind::kNoop:
        break;
    }
  }
}

TEST(BuildRunGraphTest, OnlyKindsWhoseBitsDependOnTheMachineArePinned) {
  for (const PlannedTask& task : Graph(BlockApSpec(2))) {
    const bool pinned = task.def.kind == TaskKind::kAdvance || task.def.kind == TaskKind::kTrainBlock ||
                        task.def.kind == TaskKind::kEvaluatePpl || task.def.kind == TaskKind::kReducePpl;
    EXPECT_EQ(task.def.numerics_class, pinned ? kBase + "|fp32|t1" : "") << task.title;
  }
}

TEST(BuildRunGraphTest, TasksComeInTopologicalOrderAndDepthFallsAlongEveryEdge) {
  const std::vector<PlannedTask> graph = Graph(BlockApSpec(4));
  std::map<Digest, const PlannedTask*> seen;
  for (const PlannedTask& task : graph) {
    for (const auto& [role, input] : task.def.inputs) {
      const auto* made = std::get_if<TaskOutputRef>(&input);
      if (made == nullptr) continue;
      ASSERT_TRUE(seen.contains(made->derivation_key)) << task.title << " before its input " << role;
      EXPECT_GT(seen[made->derivation_key]->depth, task.depth);
    }
    EXPECT_EQ(task.key, DerivationKeyOf(task.def));
    EXPECT_TRUE(seen.emplace(task.key, &task).second) << "two tasks have one key";
  }
}

TEST(BuildRunGraphTest, FullPrecisionChainIsSharedByRecipesThatTrainDifferently) {
  RunSpec two = BlockApSpec(3);
  RunSpec three = BlockApSpec(3);
  three.recipe.wbits = 3;
  three.recipe.quant_lr = 5e-4;
  const std::vector<PlannedTask> a = Graph(two);
  const std::vector<PlannedTask> b = Graph(three);
  for (const std::string title :
       {"prepare calibration tokens", "embed calibration tokens", "advance full-precision block 0",
        "advance full-precision block 2", "evaluate fp on held-out"}) {
    EXPECT_EQ(Titled(a, title).key, Titled(b, title).key) << title;
  }
  for (const std::string title :
       {"train block 0", "advance quantized block 0", "export gptq_v2", "evaluate block_ap on held-out"}) {
    EXPECT_NE(Titled(a, title).key, Titled(b, title).key) << title;
  }
}

TEST(BuildRunGraphTest, NamesPrioritiesAndRetriesNeverEnterAKey) {
  const std::set<Digest> keys = Keys(Graph(BlockApSpec(2)));
  RunSpec other = BlockApSpec(2);
  other.name = "another";
  other.priority = 9;
  other.model->name = "elsewhere";
  other.calibration->name = "renamed";
  other.recipe.divergence_retries = 0;
  EXPECT_EQ(Keys(Graph(other)), keys);
}

TEST(BuildRunGraphTest, ZeroPointRateEqualToTheScalesIsTheSameTraining) {
  RunSpec explicit_rate = BlockApSpec(1);
  explicit_rate.recipe.zp_lr = 1e-4;
  EXPECT_EQ(Keys(Graph(explicit_rate)), Keys(Graph(BlockApSpec(1))));
  explicit_rate.recipe.zp_lr = 2e-4;
  EXPECT_NE(Keys(Graph(explicit_rate)), Keys(Graph(BlockApSpec(1))));
}

struct KeyChange {
  const char* name;
  void (*change)(RunSpec&);
};
class KeySensitivityTest : public ::testing::TestWithParam<KeyChange> {};

TEST_P(KeySensitivityTest, ChangesTheKeyOfTheTrainedBlock) {
  RunSpec spec = BlockApSpec(2);
  GetParam().change(spec);
  EXPECT_NE(Titled(Graph(spec), "train block 1").key, Titled(Graph(BlockApSpec(2)), "train block 1").key);
}

INSTANTIATE_TEST_SUITE_P(
    Each, KeySensitivityTest,
    ::testing::Values(KeyChange{"Bits", [](RunSpec& s) { s.recipe.wbits = 4; }},
                      KeyChange{"GroupSize", [](RunSpec& s) { s.recipe.group_size = 64; }},
                      KeyChange{"Seed", [](RunSpec& s) { s.recipe.seed = 3; }},
                      KeyChange{"TrainSize", [](RunSpec& s) { s.recipe.train_size = 9; }},
                      KeyChange{"ValSize", [](RunSpec& s) { s.recipe.val_size = 3; }},
                      KeyChange{"Seqlen", [](RunSpec& s) { s.recipe.training_seqlen = 16; }},
                      KeyChange{"Epochs", [](RunSpec& s) { s.recipe.epochs = 2.5; }},
                      KeyChange{"BatchSize", [](RunSpec& s) { s.recipe.batch_size = 4; }},
                      KeyChange{"Accumulation", [](RunSpec& s) { s.recipe.gradient_accumulation_steps = 2; }},
                      KeyChange{"QuantLr", [](RunSpec& s) { s.recipe.quant_lr = 2e-4; }},
                      KeyChange{"WeightLr", [](RunSpec& s) { s.recipe.weight_lr = 3e-5; }},
                      KeyChange{"MinLrFactor", [](RunSpec& s) { s.recipe.min_lr_factor = 10; }},
                      KeyChange{"Wd", [](RunSpec& s) { s.recipe.wd = 0.1; }},
                      KeyChange{"ClipGrad", [](RunSpec& s) { s.recipe.clip_grad = 0.5; }},
                      KeyChange{"MiddleZeroPoints", [](RunSpec& s) { s.recipe.middle_zero_points = true; }},
                      KeyChange{"Sym", [](RunSpec& s) { s.recipe.sym = true; }},
                      KeyChange{"EarlyStop", [](RunSpec& s) { s.recipe.early_stop = 1; }},
                      KeyChange{"Resets", [](RunSpec& s) { s.recipe.early_stop_resets = false; }},
                      KeyChange{"KeepBest", [](RunSpec& s) { s.recipe.keep_best = false; }},
                      KeyChange{"Schedule", [](RunSpec& s) { s.recipe.lr_schedule = std::string("chained_cosine"); }},
                      KeyChange{"Fp16Scales", [](RunSpec& s) { s.recipe.fp16_scales = false; }},
                      KeyChange{"Range", [](RunSpec& s) { s.recipe.range_contains_zero = false; }},
                      KeyChange{"Windows", [](RunSpec& s) { s.recipe.disjoint_windows = false; }},
                      KeyChange{"ActivationDtype", [](RunSpec& s) { s.recipe.activation_dtype = std::string("bf16"); }},
                      KeyChange{"Model", [](RunSpec& s) { s.model->files = NamedArtifact("other"); }},
                      KeyChange{"Tokenizer", [](RunSpec& s) { s.model->tokenizer = NamedArtifact("other"); }},
                      KeyChange{"Text", [](RunSpec& s) { s.calibration->files = NamedArtifact("other"); }}),
    [](const auto& each) { return each.param.name; });

TEST(BuildRunGraphTest, AnotherNumericsClassIsAnotherKeyForPinnedTasksOnly) {
  const std::vector<PlannedTask> a = Graph(BlockApSpec(1));
  const std::vector<PlannedTask> b = Graph(BlockApSpec(1), "cpu|avx2|torch");
  EXPECT_EQ(Titled(a, "embed calibration tokens").key, Titled(b, "embed calibration tokens").key);
  EXPECT_NE(Titled(a, "train block 0").key, Titled(b, "train block 0").key);
}

TEST(BuildRunGraphTest, RoundToNearestNeedsNeitherCalibrationNorActivations) {
  const std::vector<PlannedTask> graph = Graph(RtnSpec(2), "");
  std::vector<std::string> titles;
  for (const PlannedTask& task : graph) titles.push_back(task.title);
  EXPECT_THAT(titles, ElementsAre("round block 0 to nearest", "round block 1 to nearest", "export gptq_v2"));
}

TEST(BuildRunGraphTest, MethodNoneMeasuresTheModelOncePerText) {
  RunSpec spec = BlockApSpec(2);
  spec.recipe.method = "none";
  std::vector<std::string> titles;
  for (const PlannedTask& task : Graph(spec)) titles.push_back(task.title);
  EXPECT_THAT(titles, ElementsAre("tokenize held-out", "evaluate fp on held-out", "perplexity of fp on held-out"));
}

TEST(PlanOfRunTest, AGroupSizeThatWasChosenIsSaidAndOneThatWasGivenIsNot) {
  RunSpec spec = RtnSpec(2);
  spec.recipe.group_size.reset();
  const StatusOr<ResolvedSpec> resolved = ResolveSpec(spec);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_THAT(PlanOfRun(spec, resolved->model.get(), resolved->recipe, {})->chosen_defaults,
              ElementsAre("group_size 64 was chosen: the usual 128 does not divide all input widths of the model's "
                          "linears (64, 128)"));
  spec.recipe.group_size = 64;
  EXPECT_THAT(PlanOfRun(spec, resolved->model.get(), resolved->recipe, {})->chosen_defaults, IsEmpty());
  spec.recipe.group_size.reset();
  spec.recipe.method = "none";
  spec.eval_texts = BlockApSpec(2).eval_texts;
  const StatusOr<ResolvedSpec> evaluates = ResolveSpec(spec);
  ASSERT_TRUE(evaluates.ok()) << evaluates.status();
  EXPECT_THAT(PlanOfRun(spec, evaluates->model.get(), evaluates->recipe, {})->chosen_defaults, IsEmpty())
      << "nothing is rounded";
}

TEST(BuildRunGraphTest, OnlyTheExportReadsTheModelsSmallFiles) {
  RunSpec spec = BlockApSpec(2);
  const std::vector<PlannedTask> without = Graph(spec);
  spec.model->companions = NamedArtifact("chat template");
  for (const PlannedTask& task : Graph(spec)) {
    const bool exports = task.def.kind == TaskKind::kExport;
    EXPECT_EQ(task.def.inputs.contains("companions"), exports) << task.title;
    EXPECT_EQ(task.key == Titled(without, task.title).key, !exports) << task.title;
  }
  EXPECT_EQ(RunSpecFromJson(RunSpecToJson(spec))->model->companions, spec.model->companions);
}

TEST(BuildRunGraphTest, WhereOthersFindTheModelIsKeptAndChangesNoKey) {
  RunSpec spec = BlockApSpec(2);
  const std::set<Digest> keys = Keys(Graph(spec));
  spec.model->uri = "hf://org/name@main";
  EXPECT_EQ(Keys(Graph(spec)), keys);
  EXPECT_EQ(RunSpecFromJson(RunSpecToJson(spec))->model->uri, spec.model->uri);
}

TEST(BuildRunGraphTest, NoopsAreDistinctByIndexAndSeed) {
  const std::set<Digest> keys = Keys(Graph(NoopSpec(5), ""));
  EXPECT_EQ(keys.size(), 5u);
  for (const Digest& key : Keys(Graph(NoopSpec(5, /*seed=*/2), ""))) EXPECT_FALSE(keys.contains(key));
}

TEST(NeedsNumericsClassTest, FollowsTheKindsOfTheRun) {
  EXPECT_TRUE(NeedsNumericsClass(*ResolveSpec(BlockApSpec(1))));
  EXPECT_FALSE(NeedsNumericsClass(*ResolveSpec(RtnSpec(1))));
  EXPECT_FALSE(NeedsNumericsClass(*ResolveSpec(NoopSpec(1))));
  RunSpec evaluated = RtnSpec(1);
  evaluated.eval_texts = BlockApSpec(1).eval_texts;
  EXPECT_TRUE(NeedsNumericsClass(*ResolveSpec(evaluated)));
}

struct BadSpec {
  const char* name;
  void (*spoil)(RunSpec&);
  const char* message;
};
class BadSpecTest : public ::testing::TestWithParam<BadSpec> {};

TEST_P(BadSpecTest, IsRefusedWithOneLine) {
  RunSpec spec = BlockApSpec(2);
  GetParam().spoil(spec);
  const Status status = ResolveSpec(spec).status();
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(GetParam().message));
  EXPECT_EQ(MessageOf(status).find('\n'), std::string_view::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadSpecTest,
    ::testing::Values(
        BadSpec{"NoModel", [](RunSpec& s) { s.model.reset(); }, "model is missing"},
        BadSpec{"NoConfig", [](RunSpec& s) { s.model->config_json.clear(); }, "model 'tiny'"},
        BadSpec{"ConfigNotJson", [](RunSpec& s) { s.model->config_json = std::string("{"); }, "model 'tiny'"},
        BadSpec{"ConfigTooDeep", [](RunSpec& s) { s.model->config_json = std::string(100000, '['); }, "model 'tiny'"},
        BadSpec{"NoFiles", [](RunSpec& s) { s.model->files = {}; }, "model.files names no artifact"},
        BadSpec{"NoTokenizer", [](RunSpec& s) { s.model->tokenizer = {}; }, "model.tokenizer names no artifact"},
        BadSpec{"NoCalibration", [](RunSpec& s) { s.calibration.reset(); }, "calibration is missing"},
        BadSpec{"CalibrationUnnamed", [](RunSpec& s) { s.calibration->files = {}; },
                "calibration.files names no artifact"},
        BadSpec{"NegativeSize", [](RunSpec& s) { s.calibration->files.size_bytes = -1; }, "has a size of -1 bytes"},
        BadSpec{"NameWithNewline", [](RunSpec& s) { s.name = std::string("a\nb"); }, "name has a control character"},
        BadSpec{"NameTooLong", [](RunSpec& s) { s.name = std::string(300, 'x'); }, "name has 300 bytes"},
        BadSpec{"NoSuchTask",
                [](RunSpec& s) {
                  s.eval_tasks = {{"mmlu", NamedArtifact("items")}};
                },
                "eval_tasks has 'mmlu', which is no task; tasks are piqa"},
        BadSpec{"TaskTwice",
                [](RunSpec& s) {
                  s.eval_tasks = {{"piqa", NamedArtifact("a")}, {"piqa", NamedArtifact("b")}};
                },
                "eval_tasks has 'piqa' twice"},
        BadSpec{"TaskWithoutFile",
                [](RunSpec& s) {
                  s.eval_tasks = {{"piqa", ArtifactRef()}};
                },
                "eval_tasks 'piqa' names no artifact"},
        BadSpec{"TextNamedAsATask",
                [](RunSpec& s) {
                  s.eval_tasks = {{"piqa", NamedArtifact("items")}};
                  s.eval_texts[0].name = "piqa";
                },
                "eval_texts has 'piqa' as eval_tasks has"},
        BadSpec{"TextTwice", [](RunSpec& s) { s.eval_texts.push_back(s.eval_texts[0]); }, "has 'held-out' twice"},
        BadSpec{"SameTextUnderTwoNames",
                [](RunSpec& s) {
                  s.eval_texts.push_back(s.eval_texts[0]);
                  s.eval_texts[1].name = std::string("again");
                },
                "'held-out' and 'again' are the same text"},
        BadSpec{"Priority", [](RunSpec& s) { s.priority = 2'000'000; }, "priority is 2000000"},
        BadSpec{"NothingToEvaluate",
                [](RunSpec& s) {
                  s.recipe.method = std::string("none");
                  s.eval_texts.clear();
                },
                "method none only evaluates"}),
    [](const auto& each) { return each.param.name; });

TEST(ResolveSpecTest, AnAlreadyQuantizedModelCanOnlyBeEvaluated) {
  RunSpec spec = BlockApSpec(2);
  Json config = Json::parse(spec.model->config_json);
  config["quantization_config"] = Json{{"quant_method", "gptq"}, {"bits", 4}};
  spec.model->config_json = CanonicalJson(config);
  const Status refused = ResolveSpec(spec).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("is already quantized"));
  spec.recipe.method = "none";
  EXPECT_TRUE(ResolveSpec(spec).ok());
}

TEST(RunSpecJsonTest, ReadsBackEqual) {
  RunSpec spec = BlockApSpec(2);
  spec.priority = -3;
  spec.numerics_class = "cpu|avx512|torch";
  const StatusOr<RunSpec> again = RunSpecFromJson(RunSpecToJson(spec));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(RunSpecToJson(*again), RunSpecToJson(spec));
  EXPECT_EQ(RunSpecFromJson(Json::object()).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RunSpecFromJson(Json(1)).status().code(), absl::StatusCode::kDataLoss);
}

// What halving holds back of a run of three blocks, by title.
std::map<std::string, int64_t> NeedsOf(const RunSpec& spec) {
  std::map<std::string, int64_t> needs;
  for (const PlannedTask& task : Graph(spec)) needs[task.title] = task.needs_blocks;
  return needs;
}

TEST(NeedsOfTasksTest, ATaskIsNeededFromTheFirstTrainingThatIsMadeFromItAndAResultFromItsLast) {
  RunSpec spec = BlockApSpec(3);
  spec.eval_texts[0].files.size_bytes = 0;
  EXPECT_EQ(NeedsOf(spec), (std::map<std::string, int64_t>{{"prepare calibration tokens", 1},
                                                           {"embed calibration tokens", 1},
                                                           {"advance full-precision block 0", 1},
                                                           {"advance full-precision block 1", 2},
                                                           {"advance full-precision block 2", 3},
                                                           {"train block 0", 1},
                                                           {"advance quantized block 0", 2},
                                                           {"train block 1", 2},
                                                           {"advance quantized block 1", 3},
                                                           {"train block 2", 3},
                                                           {"tokenize held-out", 0},
                                                           {"evaluate fp on held-out", 0},
                                                           {"perplexity of fp on held-out", 0},
                                                           {"evaluate block_ap on held-out", 3},
                                                           {"perplexity of block_ap on held-out", 3},
                                                           {"export gptq_v2", 3}}));
}

TEST(NeedsOfTasksTest, InARelayABlockCountsOnceItIsTrainedOn) {
  RunSpec spec = BlockApSpec(2);
  spec.recipe.handoff = "relay";
  const std::map<std::string, int64_t> needs = NeedsOf(spec);
  EXPECT_EQ(needs.at("train block 0"), 1);
  EXPECT_EQ(needs.at("train on block 0"), 1);
  EXPECT_EQ(needs.at("train on block 1"), 2);
  EXPECT_EQ(needs.at("train block 1"), 2) << "nobody reads it before";
}

TEST(NeedsOfTasksTest, InAnyOrderTheTrainingsCountInTheOrderOfTheRun) {
  RunSpec spec = BlockApSpec(3);
  spec.recipe.layer_ordering = "random";
  spec.recipe.handoff = "independent";
  std::vector<int64_t> needs;
  const std::vector<PlannedTask> graph = Graph(spec);
  for (const PlannedTask& task : graph) {
    if (task.purpose == TaskPurpose::kCheckpoint) needs.push_back(task.needs_blocks);
  }
  EXPECT_THAT(needs, ElementsAre(1, 2, 3));
}

TEST(RungEvaluationTest, TheModelIsEvaluatedWithTheBlocksTrainedSoFarAndNoOtherTaskChanges) {
  RunSpec spec = BlockApSpec(3);
  spec.eval_texts[0].files.size_bytes = 0;
  const std::set<Digest> without = Keys(Graph(spec));
  spec.rung_evaluations = {1, 2};
  const std::vector<PlannedTask> graph = Graph(spec);
  EXPECT_EQ(graph.size(), without.size() + 4);
  for (const Digest& key : without) EXPECT_TRUE(Keys(graph).contains(key));
  const PlannedTask& evaluate = Titled(graph, "evaluate 2 quantized blocks on held-out");
  EXPECT_EQ(evaluate.def.inputs.at("block.0"), Out(Titled(graph, "train block 0"), "block"));
  EXPECT_EQ(evaluate.def.inputs.at("block.1"), Out(Titled(graph, "train block 1"), "block"));
  EXPECT_FALSE(evaluate.def.inputs.contains("block.2"));
  EXPECT_EQ(evaluate.needs_blocks, 2);
  const PlannedTask& reduce = Titled(graph, "perplexity of 1 quantized block on held-out");
  EXPECT_EQ(reduce.purpose, TaskPurpose::kRungEvaluation);
  EXPECT_EQ(reduce.needs_blocks, 1);
  EXPECT_EQ(RunSpecToJson(*RunSpecFromJson(RunSpecToJson(spec))), RunSpecToJson(spec));
}

}  // namespace
}  // namespace lwq::coordinator
