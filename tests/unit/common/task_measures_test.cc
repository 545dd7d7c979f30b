// SPDX-License-Identifier: Apache-2.0
// What a task's log-likelihoods come to, in numbers that can be checked by hand.
#include "common/eval_tasks/task_measures.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace lwq {
namespace {

std::vector<Measured> Measure(const std::string& task, const std::vector<RequestItem>& items,
                              const std::vector<double>& log_likelihoods, const std::vector<uint8_t>& greedy) {
  return MeasuresOf(*FindEvalTask(task), items, log_likelihoods, greedy);
}

TEST(TaskMeasuresTest, ALastWordsPerplexityIsByItemAndItsAccuracyIsOfGreedyItems) {
  const std::vector<RequestItem> items(4, {.requests = {EvalRequest()}});
  const double ln2 = std::log(2.0);
  const auto measured = Measure("lambada_openai", items, {-ln2, -3 * ln2, -2 * ln2, -2 * ln2}, {1, 0, 0, 1});
  ASSERT_EQ(measured.size(), 2u);
  EXPECT_EQ(measured[0].metric, "perplexity");
  EXPECT_DOUBLE_EQ(measured[0].value, 4);
  EXPECT_EQ(measured[0].count, 4);
  // s² = 2 ln²2 / 3, so the error is 4 · ln 2 · √(2/3) / 2.
  EXPECT_DOUBLE_EQ(*measured[0].standard_error, 2 * ln2 * std::sqrt(2.0 / 3));
  EXPECT_EQ(measured[1].metric, "acc");
  EXPECT_EQ(measured[1].value, 0.5);
  EXPECT_DOUBLE_EQ(*measured[1].standard_error, std::sqrt(0.25 / 3));
}

TEST(TaskMeasuresTest, OneItemHasNoStandardErrorAndAPerplexityBeyondFloat64IsItsLargest) {
  const std::vector<RequestItem> one(1, {.requests = {EvalRequest()}});
  const auto measured = Measure("lambada_standard", one, {-1e6}, {0});
  EXPECT_EQ(measured[0].value, std::numeric_limits<double>::max());
  EXPECT_FALSE(measured[0].standard_error.has_value());
  EXPECT_EQ(measured[1].value, 0);
}

TEST(TaskMeasuresTest, DocumentsAreDividedByTheirOwnWordsAndBytesAllTogether) {
  const double ln2 = std::log(2.0);
  // Two windows and one: 8 bits over 2 + 2 words and 8 + 24 bytes.
  const std::vector<RequestItem> items = {{.requests = {{}, {}}, .words = 2, .bytes = 8},
                                          {.requests = {EvalRequest()}, .words = 2, .bytes = 24}};
  const auto measured = Measure("wikitext", items, {-3 * ln2, -ln2, -4 * ln2}, {0, 0, 0});
  ASSERT_EQ(measured.size(), 3u);
  EXPECT_EQ(measured[0].metric, "word_perplexity");
  EXPECT_DOUBLE_EQ(measured[0].value, 4);
  EXPECT_EQ(measured[0].count, 4);
  EXPECT_EQ(measured[1].metric, "byte_perplexity");
  EXPECT_DOUBLE_EQ(measured[1].value, std::exp2(0.25));
  EXPECT_EQ(measured[1].count, 32);
  EXPECT_EQ(measured[2].metric, "bits_per_byte");
  EXPECT_DOUBLE_EQ(measured[2].value, 0.25);
  EXPECT_EQ(measured[2].count, 32);
  for (const Measured& one : measured) EXPECT_FALSE(one.standard_error.has_value()) << one.metric;
}

TEST(TaskMeasuresTest, ChoicesHaveAnAccuracyAndWhereTheTaskHasItANormalizedOne) {
  const std::vector<RequestItem> items = {{.requests = {{"", "", {}, {}, 1}, {"", "", {}, {}, 4}}, .gold = 1}};
  const auto piqa = Measure("piqa", items, {-3, -4}, {0, 0});
  ASSERT_EQ(piqa.size(), 2u);
  EXPECT_EQ(piqa[0].value, 0) << "-3 is the larger sum";
  EXPECT_EQ(piqa[1].metric, "acc_norm");
  EXPECT_EQ(piqa[1].value, 1) << "-1 a character is larger than -3";
  EXPECT_EQ(Measure("winogrande", items, {-3, -4}, {0, 0}).size(), 1u);
}

}  // namespace
}  // namespace lwq
