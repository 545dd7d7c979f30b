// SPDX-License-Identifier: Apache-2.0
// Zero-shot tasks as a run's tasks evaluate them: items → requests → scores by shard → accuracies.
#include <algorithm>
#include <filesystem>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "common/artifact/file_tree.h"
#include "common/eval_tasks/request_dump.h"
#include "common/eval_tasks/request_scores.h"
#include "common/eval_tasks/request_set.h"
#include "common/object_store/open_store.h"
#include "common/task/measured.h"
#include "common/task/task_params.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/testing/process.h"
#include "worker/tasks/score_batches.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<int32_t>;

EvalRequest Request(Ids context, Ids continuation) {
  return {"", "", std::move(context), std::move(continuation), 1};
}

LlamaConfig ConfigWithWindow(int64_t window) {
  LlamaConfig config;
  config.max_position_embeddings = window;
  return config;
}

TEST(ScoreBatchesTest, ChoicesShareWhatTheirSequencesBeginWith) {
  const auto batches =
      ScoreBatches({{{Request({1, 2, 3}, {4, 5}), Request({1, 2, 3}, {4, 6, 7})}, 0}}, ConfigWithWindow(64), 64);
  ASSERT_TRUE(batches.ok()) << batches.status();
  ASSERT_EQ(batches->size(), 1u);
  const qat::SequenceTree& tree = batches->front().trees.front();
  EXPECT_EQ(tree.tokens, (Ids{1, 2, 3, 4, 6})) << "the last token of a continuation is scored and not read";
  EXPECT_EQ(tree.shared, 4);
  EXPECT_EQ(tree.branches, (std::vector<int64_t>{0, 1}));
  ASSERT_EQ(tree.targets.size(), 5u);
  EXPECT_EQ(tree.targets[0].place, 2);
  EXPECT_EQ(tree.targets[0].token, 4);
  EXPECT_EQ(tree.targets[1].place, 3);
  EXPECT_EQ(tree.targets[1].token, 5);
  EXPECT_EQ(tree.targets[4].place, 4);
  EXPECT_EQ(tree.targets[4].token, 7);
  EXPECT_EQ(tree.targets[4].branch, 1);
  EXPECT_EQ(batches->front().places, (std::vector<std::vector<int64_t>>{{0}, {1}}));
}

TEST(ScoreBatchesTest, EqualChoicesAreComputedOnce) {
  const EvalRequest same = Request({1, 2}, {3, 4});
  const auto batches = ScoreBatches({{{same, Request({1, 2}, {5, 4}), same}, 0}}, ConfigWithWindow(64), 64);
  ASSERT_TRUE(batches.ok()) << batches.status();
  EXPECT_EQ(batches->front().trees.front().branches.size(), 2u);
  EXPECT_EQ(batches->front().places, (std::vector<std::vector<int64_t>>{{0, 2}, {1}}));
}

TEST(ScoreBatchesTest, ChoicesWithoutACommonBeginningOrTooLongTogetherAreATreeEach) {
  const std::vector<RequestItem> apart = {{{Request({1, 2}, {4, 5}), Request({3, 2}, {4, 6})}, 0}};
  EXPECT_EQ(ScoreBatches(apart, ConfigWithWindow(64), 64)->front().trees.size(), 2u);
  const std::vector<RequestItem> together = {{{Request({1, 2}, {4, 5, 6}), Request({1, 2}, {7, 5, 6})}, 0}};
  EXPECT_EQ(ScoreBatches(together, ConfigWithWindow(64), 64)->front().trees.size(), 1u);
  EXPECT_EQ(ScoreBatches(together, ConfigWithWindow(64), 5)->size(), 2u) << "a batch of 5 tokens holds one of 4";
  LlamaConfig sliding = ConfigWithWindow(64);
  sliding.sliding_window = 5;
  EXPECT_EQ(ScoreBatches(together, sliding, 64)->front().trees.size(), 2u);
}

TEST(ScoreBatchesTest, ALongRequestLosesItsOldestTokensAndAChoiceBeyondTheWindowIsRefused) {
  const auto cut = ScoreBatches({{{Request({1, 2, 3, 4}, {5, 6})}, 0}}, ConfigWithWindow(3), 64);
  EXPECT_EQ(cut->front().trees.front().tokens, (Ids{3, 4, 5}));
  const auto refused = ScoreBatches({{{Request({1}, {2, 3, 4, 5})}, 0}}, ConfigWithWindow(3), 64);
  EXPECT_EQ(MessageOf(refused.status()), "item 1: a choice of 4 tokens does not fit the model's window of 3 tokens");
}

TEST(ScoreBatchesTest, BatchesAreOfLikeLengthWithinTheirTokensAndHoldEveryRequestOnce) {
  std::vector<RequestItem> items;
  for (int32_t i = 0; i < 40; ++i) {
    Ids context(static_cast<size_t>(1 + i * 7 % 13), i + 1);
    items.push_back({{Request(context, {1, 2, 3}), Request(context, {1, 4})}, 0});
  }
  const auto batches = ScoreBatches(items, ConfigWithWindow(64), 48);
  ASSERT_TRUE(batches.ok());
  std::vector<int64_t> places;
  size_t longest_before = 0;
  for (const ScoreBatch& batch : *batches) {
    size_t longest = 0;
    for (const qat::SequenceTree& tree : batch.trees) {
      longest = std::max(longest, tree.tokens.size());
      EXPECT_GE(tree.tokens.size(), longest_before);
    }
    EXPECT_LE(longest * batch.trees.size(), 48u);
    longest_before = longest;
    for (const std::vector<int64_t>& of_branch : batch.places) {
      places.insert(places.end(), of_branch.begin(), of_branch.end());
    }
  }
  std::sort(places.begin(), places.end());
  std::vector<int64_t> all(80);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(places, all);
}

class EvalTaskTasksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TinyModelOptions model;
    model.num_hidden_layers = 2;
    model.tokenizer_directory = Fixtures() + "/model";
    ASSERT_TRUE(WriteTinyModel(directory_.path() + "/model", model).ok());
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path() + "/model")) {
      files[entry.path().filename().string()] = entry.path().string();
    }
    model_ = *UploadFiles(artifacts_, files, nullptr);
    items_ = *UploadFiles(artifacts_, {{"items.jsonl", Fixtures() + "/world/items/piqa.jsonl"}}, nullptr);
    context_.store = &artifacts_;
    context_.blobs = &artifacts_;
    context_.scratch_directory = directory_.path() + "/scratch";
    std::filesystem::create_directories(context_.scratch_directory);
    context_.progress = [](const qat::Progress&) {};
    context_.cancel = &cancel_;
  }
  static void SetUpTestSuite() { ASSERT_TRUE(qat::InitRuntime({}).ok()); }
  static std::string Fixtures() { return std::string(LWQ_SOURCE_DIR) + "/tests/fixtures"; }

  StatusOr<TaskOutcome> Try(TaskKind kind, const Json& params, std::map<std::string, ArtifactRef> inputs) {
    const Task task{kind, params, std::move(inputs), 0};
    return Execute(task, context_);
  }
  TaskResult Run(TaskKind kind, const Json& params, std::map<std::string, ArtifactRef> inputs) {
    StatusOr<TaskOutcome> outcome = Try(kind, params, std::move(inputs));
    LWQ_CHECK(outcome.ok(), TaskKindName(kind), ": ", outcome.status().ToString());
    return std::move(outcome->result);
  }
  TaskResult Prepare(int64_t limit = 30, AddBos add_bos = AddBos::kAuto) {
    return Run(TaskKind::kPrepareRequests, PrepareRequestsParams{"piqa", add_bos, limit}.ToJson(),
               {{"tokenizer", model_}, {"items", items_}});
  }
  TaskResult Accuracy(const ArtifactRef& requests, int64_t shards) {
    std::map<std::string, ArtifactRef> inputs = {{"requests", requests}};
    for (int64_t shard = 0; shard < shards; ++shard) {
      inputs[absl::StrCat("scores.", shard)] =
          Run(TaskKind::kScoreRequests, ScoreRequestsParams{256, shard, shards}.ToJson(),
              {{"model", model_}, {"requests", requests}})
              .outputs.at("scores");
    }
    return Run(TaskKind::kReduceAccuracy, ReduceAccuracyParams{shards}.ToJson(), std::move(inputs));
  }

  test::TemporaryDirectory directory_;
  std::unique_ptr<ObjectStore> objects_ = *OpenObjectStore("memory:");
  ArtifactStore artifacts_{objects_.get()};
  qat::CancelToken cancel_;
  TaskContext context_;
  ArtifactRef model_, items_;
};

TEST_F(EvalTaskTasksTest, AccuraciesAndEveryLogLikelihoodAreTheSameHoweverManyShards) {
  const TaskResult prepared = Prepare();
  EXPECT_EQ(prepared.metrics["items"], 30);
  EXPECT_EQ(prepared.metrics["requests"], 60);
  EXPECT_EQ(prepared.metrics["add_bos"], true);
  const TaskResult whole = Accuracy(prepared.outputs.at("requests"), 1);
  const auto measured = MeasuredOf(whole.metrics);
  ASSERT_TRUE(measured.ok()) << measured.status();
  ASSERT_EQ(measured->size(), 2u);
  EXPECT_EQ((*measured)[0].metric, "acc");
  EXPECT_EQ((*measured)[1].metric, "acc_norm");
  EXPECT_EQ((*measured)[0].count, 30);
  EXPECT_TRUE((*measured)[0].standard_error.has_value());
  for (const int64_t shards : {2, 3, 50}) {
    const TaskResult cut = Accuracy(prepared.outputs.at("requests"), shards);
    EXPECT_EQ(cut.metrics, whole.metrics) << shards;
    EXPECT_EQ(cut.outputs.at("lines"), whole.outputs.at("lines")) << shards << " shards, equal bytes";
  }
  const auto lines = FileTree::Open(&artifacts_, whole.outputs.at("lines"));
  ASSERT_TRUE(lines.ok());
  const std::string text(lines->ReadAll(kDumpInTree)->view());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 60);
  EXPECT_THAT(text, HasSubstr(R"("task":"piqa")"));
}

TEST_F(EvalTaskTasksTest, WithoutABosTheIdsLackItAndTheMetricsSaySo) {
  const TaskResult prepared = Prepare(3, AddBos::kNever);
  EXPECT_EQ(prepared.metrics["add_bos"], false);
  const auto bare = LoadRequestSet(artifacts_, prepared.outputs.at("requests"));
  const auto with = LoadRequestSet(artifacts_, Prepare(3).outputs.at("requests"));
  Ids expected = bare->items[0].requests[0].context_ids;
  expected.insert(expected.begin(), 1);
  EXPECT_EQ(with->items[0].requests[0].context_ids, expected);
  EXPECT_NE(Prepare(3).outputs.at("requests"), prepared.outputs.at("requests"));
}

TEST_F(EvalTaskTasksTest, WhatDoesNotExistOrDoesNotBelongTogetherIsRefusedInOneLine) {
  const ArtifactRef requests = Prepare(4).outputs.at("requests");
  const auto refused = [&](TaskKind kind, const Json& params, std::map<std::string, ArtifactRef> inputs) {
    const Status status = Try(kind, params, std::move(inputs)).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(MessageOf(status).find('\n'), std::string_view::npos);
    return std::string(MessageOf(status));
  };
  EXPECT_THAT(refused(TaskKind::kPrepareRequests, PrepareRequestsParams{"mmlu", AddBos::kAuto, 0}.ToJson(),
                      {{"tokenizer", model_}, {"items", items_}}),
              HasSubstr("task 'mmlu' with limit 0 does not exist; tasks are piqa"));
  EXPECT_THAT(refused(TaskKind::kPrepareRequests, PrepareRequestsParams{"arc_easy", AddBos::kAuto, 0}.ToJson(),
                      {{"tokenizer", model_}, {"items", items_}}),
              HasSubstr("items.jsonl line 1: question: is missing"));
  EXPECT_THAT(refused(TaskKind::kScoreRequests, ScoreRequestsParams{256, 2, 2}.ToJson(),
                      {{"model", model_}, {"requests", requests}}),
              HasSubstr("score_requests of shard 2 of 2"));
  EXPECT_THAT(refused(TaskKind::kScoreRequests, ScoreRequestsParams{0, 0, 1}.ToJson(),
                      {{"model", model_}, {"requests", requests}}),
              HasSubstr("batch_tokens 0"));
  const ArtifactRef half =
      Run(TaskKind::kScoreRequests, ScoreRequestsParams{64, 0, 2}.ToJson(), {{"model", model_}, {"requests", requests}})
          .outputs.at("scores");
  EXPECT_THAT(refused(TaskKind::kReduceAccuracy, ReduceAccuracyParams{1}.ToJson(),
                      {{"requests", requests}, {"scores.0", half}}),
              HasSubstr("of 8 requests are scored"));
  EXPECT_THAT(refused(TaskKind::kReduceAccuracy, ReduceAccuracyParams{2}.ToJson(),
                      {{"requests", requests}, {"scores.0", half}, {"scores.1", half}}),
              HasSubstr("which is none or was scored before"));
}

TEST_F(EvalTaskTasksTest, ACancelledScoringStops) {
  const ArtifactRef requests = Prepare(4).outputs.at("requests");
  cancel_.cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(
      Try(TaskKind::kScoreRequests, ScoreRequestsParams{64, 0, 1}.ToJson(), {{"model", model_}, {"requests", requests}})
          .status()));
}

TEST_F(EvalTaskTasksTest, AnIdBeyondTheVocabularyIsRefused) {
  RequestSet set{.task = "piqa", .add_bos = false, .items = {}};
  set.items.push_back({{Request({1, 2}, {100'000}), Request({1, 2}, {3})}, 0});
  const ArtifactRef requests = *PublishRequestSet(artifacts_, set);
  const Status status =
      Try(TaskKind::kScoreRequests, ScoreRequestsParams{64, 0, 1}.ToJson(), {{"model", model_}, {"requests", requests}})
          .status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

}  // namespace
}  // namespace lwq::worker
