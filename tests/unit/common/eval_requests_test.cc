// SPDX-License-Identifier: Apache-2.0
// Requests, their artifacts, and accuracies, where no model is needed. What the harness itself makes of items is
// compared in tests/numerics/qat/eval_tasks_test.cc.
#include "common/eval_tasks/eval_requests.h"

#include <cmath>
#include <limits>

#include "common/eval_tasks/accuracy.h"
#include "common/eval_tasks/request_dump.h"
#include "common/eval_tasks/request_scores.h"
#include "common/eval_tasks/request_set.h"
#include "common/object_store/open_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<int32_t>;

// A letter is its byte; "<s>" written out is id 1.
class LetterTokenizer : public Tokenizer {
 public:
  LetterTokenizer(std::optional<int32_t> bos, bool adds) : bos_(bos) {
    if (bos.has_value() && adds) prefix_ = {*bos};
  }
  StatusOr<Ids> Encode(std::string_view text, KeepGoing) const override {
    Ids ids;
    while (!text.empty()) {
      const bool is_bos = text.starts_with("<s>");
      ids.push_back(is_bos ? 1 : static_cast<uint8_t>(text.front()));
      text.remove_prefix(is_bos ? 3 : 1);
    }
    return ids;
  }
  StatusOr<std::string> Decode(std::span<const int32_t>) const override { return std::string(); }
  StatusOr<std::string_view> Piece(int32_t id) const override { return id == 1 ? "<s>" : "</s>"; }
  int32_t vocab_size() const override { return 256; }
  std::optional<int32_t> bos_id() const override { return bos_; }
  std::optional<int32_t> eos_id() const override { return 2; }
  std::span<const int32_t> prefix_ids() const override { return prefix_; }

 private:
  std::optional<int32_t> bos_;
  Ids prefix_;
};

EvalRequest Encoded(const Tokenizer& tokenizer, AddBos add_bos, const std::string& context,
                    const std::string& continuation) {
  auto encoder = RequestEncoder::Create(tokenizer, add_bos);
  EXPECT_TRUE(encoder.ok()) << encoder.status();
  const auto request = encoder->Encode({context, continuation, 1});
  EXPECT_TRUE(request.ok()) << request.status();
  return request.ok() ? *request : EvalRequest();
}

TEST(RequestEncoderTest, WhiteSpaceAtTheEndOfAContextMovesToTheContinuation) {
  const LetterTokenizer tokenizer(1, /*adds=*/true);
  const EvalRequest request = Encoded(tokenizer, AddBos::kAuto, "ab \n", "c");
  EXPECT_EQ(request.context_ids, (Ids{1, 'a', 'b'}));
  EXPECT_EQ(request.continuation_ids, (Ids{' ', '\n', 'c'}));
  EXPECT_EQ(request.context, "ab \n") << "as it was asked";
}

TEST(RequestEncoderTest, ABosIsAddedAsTheTokenizerDoesOrAlwaysOrNever) {
  const LetterTokenizer adds(1, true), silent(1, false);
  EXPECT_EQ(Encoded(adds, AddBos::kAuto, "a", "b").context_ids, (Ids{1, 'a'}));
  EXPECT_EQ(Encoded(adds, AddBos::kNever, "a", "b").context_ids, (Ids{'a'}));
  EXPECT_EQ(Encoded(silent, AddBos::kAuto, "a", "b").context_ids, (Ids{'a'}));
  EXPECT_EQ(Encoded(silent, AddBos::kAlways, "a", "b").context_ids, (Ids{1, 'a'}));
  EXPECT_EQ(Encoded(silent, AddBos::kAlways, "a", "b").continuation_ids, (Ids{'b'}));
  EXPECT_EQ(Encoded(adds, AddBos::kAuto, "<s>a", "b").context_ids, (Ids{1, 'a'})) << "no second one";
  const LetterTokenizer none(std::nullopt, false);
  const auto refused = RequestEncoder::Create(none, AddBos::kAlways);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_THAT(std::string(MessageOf(refused.status())), HasSubstr("the tokenizer has no BOS token"));
}

TEST(RequestEncoderTest, AnEmptyContextIsTheBosAndABosInTheContinuationLendsIt) {
  const LetterTokenizer tokenizer(1, true), none(std::nullopt, false);
  EXPECT_EQ(Encoded(tokenizer, AddBos::kNever, "", "ab").context_ids, (Ids{1}));
  EXPECT_EQ(Encoded(tokenizer, AddBos::kNever, "", "ab").continuation_ids, (Ids{'a', 'b'}));
  EXPECT_EQ(Encoded(tokenizer, AddBos::kAuto, "", "<s>ab").continuation_ids, (Ids{'a', 'b'}));
  EXPECT_EQ(Encoded(none, AddBos::kAuto, "", "ab").context_ids, (Ids{2})) << "EOS where there is no BOS";
}

TEST(RequestEncoderTest, WhatHasNoTokenToScoreIsNamedByItemAndChoice) {
  const LetterTokenizer tokenizer(1, true);
  auto encoder = RequestEncoder::Create(tokenizer, AddBos::kAuto);
  ASSERT_TRUE(encoder.ok());
  const auto items = EncodeItems(*encoder, {{{{"a", "b", 1}, {"a", "", 0}}, 0}});
  EXPECT_EQ(MessageOf(items.status()), "item 1, choice 2: the choice has no token to score");
  auto bare = RequestEncoder::Create(tokenizer, AddBos::kNever);
  EXPECT_EQ(MessageOf(bare->Encode({" ", "b", 1}).status()), "the context has no token");
}

// The ids of a document's letters a, b, c … in windows.
std::vector<EvalRequest> Windows(const Tokenizer& tokenizer, AddBos add_bos, const std::string& text, int64_t window) {
  auto encoder = RequestEncoder::Create(tokenizer, add_bos);
  EXPECT_TRUE(encoder.ok()) << encoder.status();
  const auto windows = encoder->EncodeDocument({"", text, std::ssize(text)}, window);
  EXPECT_TRUE(windows.ok()) << windows.status();
  return windows.ok() ? *windows : std::vector<EvalRequest>();
}

TEST(RequestEncoderTest, ADocumentsWindowsScoreEveryTokenOnceAndTheLastIsFilledFromBefore) {
  const LetterTokenizer silent(1, false);
  const auto windows = Windows(silent, AddBos::kAuto, "abcdefgh", 3);
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[0].context_ids, (Ids{1})) << "nothing stands before the first but the BOS";
  EXPECT_EQ(windows[0].continuation_ids, (Ids{'a', 'b', 'c'}));
  EXPECT_EQ(windows[1].context_ids, (Ids{'c'})) << "one token of what came before";
  EXPECT_EQ(windows[1].continuation_ids, (Ids{'d', 'e', 'f'}));
  EXPECT_EQ(windows[2].context_ids, (Ids{'e', 'f'})) << "the model reads three tokens here, too";
  EXPECT_EQ(windows[2].continuation_ids, (Ids{'g', 'h'}));
  EXPECT_EQ(windows[0].continuation, "abcdefgh");
  EXPECT_EQ(windows[1].continuation, "");
  EXPECT_EQ(Windows(silent, AddBos::kAuto, "abc", 3).size(), 1u) << "a whole window is no two";
}

TEST(RequestEncoderTest, ABosBeforeADocumentIsScoredAsTheHarnessScoresIt) {
  const LetterTokenizer adds(1, true), none(std::nullopt, false);
  EXPECT_EQ(Windows(adds, AddBos::kAuto, "ab", 9)[0].context_ids, (Ids{1}));
  EXPECT_EQ(Windows(adds, AddBos::kAuto, "ab", 9)[0].continuation_ids, (Ids{1, 'a', 'b'}));
  EXPECT_EQ(Windows(adds, AddBos::kAuto, "<s>ab", 9)[0].continuation_ids, (Ids{1, 'a', 'b'})) << "no second one";
  EXPECT_EQ(Windows(adds, AddBos::kNever, "ab", 9)[0].continuation_ids, (Ids{'a', 'b'}));
  EXPECT_EQ(Windows(none, AddBos::kAuto, "ab", 9)[0].context_ids, (Ids{2})) << "EOS where there is no BOS";
}

TEST(RequestEncoderTest, ADocumentWithoutATokenIsNamedByItsNumber) {
  const LetterTokenizer silent(1, false);
  auto encoder = RequestEncoder::Create(silent, AddBos::kAuto);
  ASSERT_TRUE(encoder.ok());
  const EvalItem good{.choices = {{"", "a", 1}}, .words = 1, .bytes = 1};
  const EvalItem empty{.choices = {{"", "", 0}}, .words = 1, .bytes = 1};
  EXPECT_EQ(MessageOf(EncodeDocuments(*encoder, {good, empty}, 4).status()),
            "document 2: the document has no token to score");
  const auto encoded = EncodeDocuments(*encoder, {good}, 4);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(encoded->front().words, 1);
}

RequestSet SampleSet() {
  RequestSet set{.task = "piqa", .add_bos = true, .items = {}};
  set.items.push_back({{{"c", " x", {1, 5}, {6}, 1}, {"c", " yy", {1, 5}, {7, 8}, 2}}, 1});
  set.items.push_back({{{"d", " x", {1, 9}, {6}, 1}, {"e", " x", {1, 10}, {6}, 1}}, 0});
  return set;
}

class RequestArtifactsTest : public ::testing::Test {
 protected:
  std::unique_ptr<ObjectStore> objects_ = *OpenObjectStore("memory:");
  ArtifactStore store_{objects_.get()};
};

TEST_F(RequestArtifactsTest, RequestsComeBackAsTheyWere) {
  const auto published = PublishRequestSet(store_, SampleSet());
  ASSERT_TRUE(published.ok()) << published.status();
  const auto read = LoadRequestSet(store_, *published);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->task, "piqa");
  EXPECT_TRUE(read->add_bos);
  EXPECT_EQ(read->requests(), 4);
  ASSERT_EQ(read->items.size(), 2u);
  EXPECT_EQ(read->items[0].gold, 1);
  EXPECT_EQ(read->items[0].requests[1].context_ids, (Ids{1, 5})) << "those of the request before";
  EXPECT_EQ(read->items[0].requests[1].continuation_ids, (Ids{7, 8}));
  EXPECT_EQ(read->items[0].requests[1].characters, 2);
  EXPECT_EQ(read->items[1].requests[1].context, "e");
  EXPECT_EQ(*PublishRequestSet(store_, *read), *published) << "equal content, equal name";
}

TEST_F(RequestArtifactsTest, DocumentsKeepTheirWordsAndBytesAndOtherItemsHaveNone) {
  RequestSet set{.task = "wikitext", .add_bos = true, .items = {}};
  set.items.push_back(
      {.requests = {{"", "ab", {1}, {6}, 2}, {"", "", {6}, {7}, 0}}, .gold = 0, .words = 3, .bytes = 9});
  const auto published = PublishRequestSet(store_, set);
  ASSERT_TRUE(published.ok()) << published.status();
  const auto read = LoadRequestSet(store_, *published);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->items[0].words, 3);
  EXPECT_EQ(read->items[0].bytes, 9);
  EXPECT_EQ(read->items[0].requests[1].context_ids, (Ids{6}));
  EXPECT_EQ(*PublishRequestSet(store_, *read), *published);
  const Manifest manifest = *LoadManifest(store_, *PublishRequestSet(store_, SampleSet()));
  const Bytes lines = *store_.Fetch(manifest.parts[0].blob);
  EXPECT_EQ(lines.view().find("words"), std::string_view::npos) << "stored as before there were documents";
}

TEST_F(RequestArtifactsTest, RequestsThatAreNoneAreDataLoss) {
  const auto publish = [&](const std::string& lines, int64_t items) {
    Manifest manifest{.kind = "eval_requests",
                      .meta = {{"task", "piqa"}, {"add_bos", true}, {"items", items}, {"requests", 1}},
                      .parts = {{"items", *store_.PutBlob(std::string_view(lines))}}};
    return LoadRequestSet(store_, *store_.Publish(manifest)).status();
  };
  const std::string good =
      R"({"gold":0,"requests":[{"characters":1,"context":"c","context_ids":[1],"continuation":"x","continuation_ids":[2]}]})";
  EXPECT_TRUE(publish(good, 1).ok()) << publish(good, 1);
  for (
      const std::string& bad :
      {std::string("{}"), std::string("x"), std::string(R"({"gold":0,"requests":[]})"),
       std::string(R"({"gold":0,"requests":[{"characters":1,"continuation":"x","continuation_ids":[2]}]})"),
       std::string(
           R"({"gold":0,"requests":[{"characters":1,"context":"c","context_ids":[],"continuation":"x","continuation_ids":[2]}]})"),
       std::string(
           R"({"gold":0,"requests":[{"characters":1,"context":"c","context_ids":[-1],"continuation":"x","continuation_ids":[2]}]})"),
       std::string(
           R"({"bytes":0,"gold":0,"requests":[{"characters":1,"context":"c","context_ids":[1],"continuation":"x",)"
           R"("continuation_ids":[2]}],"words":1})")}) {
    EXPECT_TRUE(absl::IsDataLoss(publish(bad, 1))) << bad << ": " << publish(bad, 1);
  }
  EXPECT_TRUE(absl::IsDataLoss(publish(good, 2)));
  const auto scores = PublishRequestScores(store_, {{0}, {-1.0}, {1}});
  EXPECT_TRUE(absl::IsDataLoss(LoadRequestSet(store_, *scores).status())) << "of another kind";
}

TEST_F(RequestArtifactsTest, ScoresComeBackToTheLastBitAndOthersAreDataLoss) {
  const RequestScores scores{{3, 0}, {-0.1, -1e-300}, {0, 1}};
  const auto published = PublishRequestScores(store_, scores);
  ASSERT_TRUE(published.ok());
  const auto read = LoadRequestScores(store_, *published);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->places, scores.places);
  EXPECT_EQ(read->log_likelihoods, scores.log_likelihoods);
  EXPECT_EQ(read->greedy, scores.greedy);
  EXPECT_TRUE(LoadRequestScores(store_, *PublishRequestScores(store_, {}))->places.empty());
  EXPECT_TRUE(absl::IsDataLoss(LoadRequestScores(store_, *PublishRequestSet(store_, SampleSet())).status()));
  Manifest manifest = *LoadManifest(store_, *published);
  manifest.meta["requests"] = 3;
  EXPECT_TRUE(absl::IsDataLoss(LoadRequestScores(store_, *store_.Publish(manifest)).status()));
  manifest.parts.pop_back();
  EXPECT_TRUE(absl::IsDataLoss(LoadRequestScores(store_, *store_.Publish(manifest)).status()));
}

TEST(RequestDumpTest, EveryRequestIsALine) {
  const std::string dump =
      RequestDump(SampleSet(), std::vector<double>{-1, -2, -3, -4}, std::vector<uint8_t>{0, 1, 0, 0});
  const std::string second = dump.substr(dump.find('\n') + 1);
  const auto line = ParseJson(second.substr(0, second.find('\n')), "line");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(*line, (Json{{"task", "piqa"},
                         {"item", 0},
                         {"choice", 1},
                         {"is_gold", true},
                         {"context", "c"},
                         {"continuation", " yy"},
                         {"context_ids", {1, 5}},
                         {"continuation_ids", {7, 8}},
                         {"log_likelihood", -2.0},
                         {"is_greedy", true},
                         {"characters", 2}}));
  EXPECT_EQ(std::count(dump.begin(), dump.end(), '\n'), 4);
}

TEST(AccuracyTest, TheFirstOfEqualChoicesIsTheAnswer) {
  EXPECT_EQ(FirstLargest(std::vector<double>{-2, -1, -1}), 1);
  EXPECT_EQ(FirstLargest(std::vector<double>{-1}), 0);
  EXPECT_EQ(FirstLargest(std::vector<double>{std::numeric_limits<double>::quiet_NaN(), -1}), 1);
}

TEST(AccuracyTest, NormalizedIsByTheCharactersOfTheChoice) {
  const std::vector<RequestItem> items = SampleSet().items;
  // Sums: choice 0 of the first item; by character choice 1, which is right.
  const std::vector<double> scores = {-3, -4, -1, -1};
  EXPECT_EQ(AccuracyOf(items, scores, ScoreUnit::kSum).value, 0.5);
  EXPECT_EQ(AccuracyOf(items, scores, ScoreUnit::kPerCharacter).value, 1.0);
  EXPECT_EQ(AccuracyOf(items, scores, ScoreUnit::kPerCharacter).standard_error, 0.0);
  // √(p (1 − p) / (n − 1)).
  EXPECT_DOUBLE_EQ(*AccuracyOf(items, scores, ScoreUnit::kSum).standard_error, 0.5);
  const Accuracy one = AccuracyOf(std::span(items).first(1), scores, ScoreUnit::kSum);
  EXPECT_EQ(one.items, 1);
  EXPECT_FALSE(one.standard_error.has_value()) << "one item has no spread";
}

}  // namespace
}  // namespace lwq
