// SPDX-License-Identifier: Apache-2.0
// Zero-shot tasks on the fixture model against lm-evaluation-harness 0.4.13 (scripts/check_lm_eval --golden), and on
// stories260K against the reference's evaltasks.json: every id, log-likelihood and accuracy.
#include <cmath>
#include <map>
#include <set>

#include "common/eval_tasks/accuracy.h"
#include "common/eval_tasks/eval_requests.h"
#include "common/eval_tasks/item_file.h"
#include "common/eval_tasks/task_measures.h"
#include "common/tokenizer/load_tokenizer.h"
#include "tests/numerics/qat/reference_model.h"
#include "worker/qat/api/score_sequences.h"
#include "worker/tasks/score_batches.h"

namespace lwq::qat {
namespace {

const char kFixtureModel[] = LWQ_SOURCE_DIR "/tests/fixtures/model";
const char kEvalGolden[] = LWQ_SOURCE_DIR "/tests/numerics/golden/eval_tasks/";

std::unique_ptr<Tokenizer> TokenizerOf(const std::string& directory) {
  const std::string model = ReadText(directory + "/tokenizer.model");
  const std::string config = ReadText(directory + "/tokenizer_config.json");
  auto tokenizer = LoadTokenizer({.tokenizer_model = model, .tokenizer_config_json = config});
  LWQ_CHECK(tokenizer.ok(), tokenizer.status().ToString());
  return *std::move(tokenizer);
}

struct Answers {
  std::vector<double> log_likelihoods;
  std::vector<bool> greedy;
};

// Of every request in order.
Answers Ask(const ReferenceModel& model, const std::vector<RequestItem>& items, int64_t batch_tokens) {
  const auto batches = worker::ScoreBatches(items, model.config, batch_tokens);
  LWQ_CHECK(batches.ok(), batches.status().ToString());
  std::vector<TreeBatch> trees;
  std::vector<std::vector<int64_t>> places;
  for (const worker::ScoreBatch& batch : *batches) {
    trees.push_back(batch.trees);
    places.insert(places.end(), batch.places.begin(), batch.places.end());
  }
  const CancelToken cancel;
  const auto scores = ScoreTrees(
      model.config, model.head, [&model](int64_t k) -> StatusOr<BlockState> { return model.blocks[k]; }, trees,
      {.execution = {}, .scratch_directory = ::testing::TempDir()}, nullptr, cancel);
  LWQ_CHECK(scores.ok(), scores.status().ToString());
  LWQ_CHECK(scores->size() == places.size(), "a score for each request");
  size_t requests = 0;
  for (const RequestItem& item : items) requests += item.requests.size();
  Answers answers{std::vector<double>(requests), std::vector<bool>(requests)};
  for (size_t i = 0; i < places.size(); ++i) {
    for (const int64_t place : places[i]) {
      answers.log_likelihoods[static_cast<size_t>(place)] = (*scores)[i].log_likelihood;
      answers.greedy[static_cast<size_t>(place)] = (*scores)[i].is_greedy;
    }
  }
  return answers;
}

std::vector<EvalItem> ItemsOf(const std::string& task) {
  const std::string lines = ReadText(std::string(kEvalGolden) + "items/" + task + ".jsonl");
  auto items = ReadEvalItems(*FindEvalTask(task), {.name = task + ".jsonl", .contents = lines}, 0);
  LWQ_CHECK(items.ok(), items.status().ToString());
  return *std::move(items);
}

// Accuracies are exact, perplexities as near as log-likelihoods are. The harness draws its standard errors of
// perplexities at random, and they are not among its numbers here.
void ExpectScores(const std::string& task, const Json& scores, const std::vector<RequestItem>& items,
                  const Answers& answers) {
  const std::vector<uint8_t> greedy(answers.greedy.begin(), answers.greedy.end());
  size_t compared = 0;
  for (const Measured& one : MeasuresOf(*FindEvalTask(task), items, answers.log_likelihoods, greedy)) {
    SCOPED_TRACE(one.metric);
    ASSERT_TRUE(scores.contains(one.metric));
    const double wanted = scores[one.metric];
    const bool is_accuracy = one.metric.starts_with("acc");
    EXPECT_NEAR(one.value, wanted, is_accuracy ? 1e-12 : 1e-5 * wanted);
    ++compared;
    if (!is_accuracy) continue;
    EXPECT_NEAR(*one.standard_error, scores[one.metric + "_stderr"].get<double>(), 1e-12);
    ++compared;
  }
  EXPECT_EQ(compared + 1, scores.size()) << "all of the harness's but its count of items";
}

class EvalTasksTest : public ::testing::TestWithParam<std::string> {
 protected:
  static const ReferenceModel& Model() {
    static const ReferenceModel* const model = new ReferenceModel(LoadModelDirectory(kFixtureModel));
    return *model;
  }
  static const Json& Golden() {
    static const Json* const golden = new Json(ReadJson(std::string(kEvalGolden) + "lm_eval.json"));
    return *golden;
  }
  static std::vector<RequestItem> Requests(AddBos add_bos) {
    static const Tokenizer* const tokenizer = TokenizerOf(kFixtureModel).release();
    auto encoder = RequestEncoder::Create(*tokenizer, add_bos);
    LWQ_CHECK(encoder.ok(), encoder.status().ToString());
    const bool is_document = FindEvalTask(GetParam())->form == EvalForm::kDocument;
    auto items = is_document ? EncodeDocuments(*encoder, ItemsOf(GetParam()), Model().config.max_position_embeddings)
                             : EncodeItems(*encoder, ItemsOf(GetParam()));
    LWQ_CHECK(items.ok(), items.status().ToString());
    return *std::move(items);
  }
};

TEST_P(EvalTasksTest, IdsLogLikelihoodsAndAccuraciesAreThoseOfTheHarness) {
  for (const AddBos add_bos : {AddBos::kAuto, AddBos::kNever}) {
    SCOPED_TRACE(WordOf(add_bos));
    const Json& wanted = Golden()["runs"][std::string(WordOf(add_bos))][GetParam()];
    const std::vector<RequestItem> items = Requests(add_bos);
    const Answers answers = Ask(Model(), items, 1024);
    ASSERT_EQ(std::ssize(items), wanted["scores"]["items"].get<int64_t>());
    size_t place = 0;
    Json context, context_ids;
    for (size_t item = 0; item < items.size(); ++item) {
      for (const EvalRequest& request : items[item].requests) {
        const Json& theirs = wanted["requests"][place];
        SCOPED_TRACE(absl::StrCat("item ", item, ": ", request.continuation));
        if (theirs.contains("context")) {
          context = theirs["context"];
          context_ids = theirs["context_ids"];
        }
        EXPECT_EQ(Json(request.context), context);
        EXPECT_EQ(Json(request.continuation), theirs["continuation"]);
        EXPECT_EQ(Json(request.context_ids), context_ids);
        EXPECT_EQ(Json(request.continuation_ids), theirs["continuation_ids"]);
        // The harness adds a request's tokens up in float32.
        const double log_likelihood = theirs["log_likelihood"];
        EXPECT_NEAR(answers.log_likelihoods[place], log_likelihood, 1e-4 + 2e-7 * std::abs(log_likelihood));
        EXPECT_EQ(answers.greedy[place], theirs["is_greedy"].get<bool>());
        ++place;
      }
    }
    EXPECT_EQ(place, wanted["requests"].size());
    ExpectScores(GetParam(), wanted["scores"], items, answers);
  }
}

// The tree of an item's choices, and the padding of a batch, change roundings only.
TEST_P(EvalTasksTest, ARequestScoresAsItDoesByItself) {
  const std::vector<RequestItem> items = Requests(AddBos::kAuto);
  const Answers together = Ask(Model(), items, 1024);
  const Answers alone = Ask(Model(), items, 1);
  for (size_t i = 0; i < together.log_likelihoods.size(); ++i) {
    EXPECT_NEAR(together.log_likelihoods[i], alone.log_likelihoods[i], 1e-4) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(EachTask, EvalTasksTest,
                         ::testing::Values("piqa", "arc_easy", "arc_challenge", "hellaswag", "winogrande", "boolq",
                                           "openbookqa", "lambada_openai", "lambada_standard", "wikitext"),
                         [](const auto& instance) { return instance.param; });

class ReferenceTasksTest : public ::testing::Test {
 protected:
  void SetUp() override { LWQ_NEEDS_REFERENCE(); }

  // Items of a task in the reference's file, read as its data set is published.
  static std::vector<EvalItem> ItemsOfTask(const Json& reference, const std::string& task) {
    std::string lines;
    for (const Json& item : reference["items"]) {
      if (item["task"] == task) absl::StrAppend(&lines, item["doc"].dump(), "\n");
    }
    auto items = ReadEvalItems(*FindEvalTask(task), {.name = task + ".jsonl", .contents = lines}, 0);
    LWQ_CHECK(items.ok(), items.status().ToString());
    return *std::move(items);
  }
};

TEST_F(ReferenceTasksTest, EveryItemOfStories260KAnswersAsInTheReference) {
  const Json reference = ReadJson(ReferenceDirectory() + "/evaltasks.json");
  const ReferenceModel model = LoadReferenceModel("stories260k");
  const auto tokenizer = TokenizerOf(ReferenceDirectory() + "/models/stories260k");
  const std::map<std::string, AddBos> variants = {{"bos", AddBos::kAuto}, {"no_bos", AddBos::kNever}};
  for (const auto& [variant, add_bos] : variants) {
    for (const std::string task : {"piqa", "arc_easy", "arc_challenge", "hellaswag", "winogrande"}) {
      SCOPED_TRACE(absl::StrCat(variant, " ", task));
      auto encoder = RequestEncoder::Create(*tokenizer, add_bos);
      ASSERT_TRUE(encoder.ok());
      const auto items = EncodeItems(*encoder, ItemsOfTask(reference, task));
      ASSERT_TRUE(items.ok()) << items.status();
      const Answers answers = Ask(model, *items, 1024);
      size_t item = 0, place = 0;
      for (const Json& wanted : reference["items"]) {
        if (wanted["task"] != task) continue;
        EXPECT_EQ((*items)[item].gold, wanted["gold"].get<int64_t>());
        for (const Json& request : wanted[variant]["requests"]) {
          const EvalRequest& ours = (*items)[item].requests[&request - &wanted[variant]["requests"][0]];
          EXPECT_EQ(std::ssize(ours.context_ids), request["n_context"].get<int64_t>());
          EXPECT_EQ(Json(ours.continuation_ids), request["cont_ids"]);
          EXPECT_NEAR(answers.log_likelihoods[place], request["ll"].get<double>(), 2e-3);
          ++place;
        }
        ++item;
      }
      const Json& results = reference["results"][variant][task];
      EXPECT_NEAR(AccuracyOf(*items, answers.log_likelihoods, ScoreUnit::kSum).value, results["acc"].get<double>(),
                  1e-12);
      if (results.contains("acc_norm")) {
        EXPECT_NEAR(AccuracyOf(*items, answers.log_likelihoods, ScoreUnit::kPerCharacter).value,
                    results["acc_norm"].get<double>(), 1e-12);
      }
    }
  }
}

TEST_F(ReferenceTasksTest, RequestsWithStrangeBordersAreCutAsInTheReference) {
  const Json reference = ReadJson(ReferenceDirectory() + "/evaltasks.json");
  const ReferenceModel model = LoadReferenceModel("stories260k");
  const auto tokenizer = TokenizerOf(ReferenceDirectory() + "/models/stories260k");
  auto encoder = RequestEncoder::Create(*tokenizer, AddBos::kAuto);
  ASSERT_TRUE(encoder.ok());
  for (const Json& raw : reference["raw_requests"]) {
    SCOPED_TRACE(raw.dump());
    const auto request = encoder->Encode({raw["context"], raw["continuation"], 1});
    const Json& wanted = raw["bos"];
    if (wanted["continuation_ids"].empty()) {
      EXPECT_TRUE(absl::IsInvalidArgument(request.status()));
      continue;
    }
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(Json(request->context_ids), wanted["context_ids"]);
    EXPECT_EQ(Json(request->continuation_ids), wanted["continuation_ids"]);
    const Answers answers = Ask(model, {{{*request}, 0}}, 1024);
    EXPECT_NEAR(answers.log_likelihoods[0], wanted["ll"].get<double>(), 2e-3);
    EXPECT_EQ(answers.greedy[0], wanted["is_greedy"].get<bool>());
  }
}

}  // namespace
}  // namespace lwq::qat
