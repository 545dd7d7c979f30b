// SPDX-License-Identifier: Apache-2.0
// Both forms in which tasks report what they measured, and the stored one.
#include "common/task/measured.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

StatusOr<std::vector<Measured>> Of(const std::string& metrics) {
  LWQ_ASSIGN_OR_RETURN(const Json json, ParseJson(metrics, "test"));
  return MeasuredOf(json);
}

TEST(MeasuredTest, WhatATaskReportsIsReadBack) {
  const std::vector<Measured> measured = {
      {.metric = kPerplexityMetric, .value = 2.3456789012345678, .count = 50'000},
      {.metric = "accuracy", .value = 0.625, .standard_error = 1.0 / 3, .count = 8},
      {.metric = "bits_per_byte", .value = std::numeric_limits<double>::max(), .count = 0}};
  const std::string text = CanonicalJson(Json{{"measured", MeasuredMetrics(measured)}, {"windows", 3}});
  const StatusOr<std::vector<Measured>> read = Of(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, measured) << text;
}

TEST(MeasuredTest, APerplexityOfVersion1OfReducePplIsRead) {
  const auto read = Of(R"({"nll_sum":1.5,"perplexity":2.25,"tokens":50000,"windows":3})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(*read, ElementsAre(Measured{.metric = "perplexity", .value = 2.25, .count = 50'000}));
}

TEST(MeasuredTest, MetricsThatSpeakOfNothingMeasuredHaveNone) {
  for (const char* metrics : {"{}", R"({"tokens":3})", R"({"measured":[]})"}) {
    const auto read = Of(metrics);
    ASSERT_TRUE(read.ok()) << metrics << read.status();
    EXPECT_THAT(*read, IsEmpty()) << metrics;
  }
}

TEST(MeasuredTest, WhatCannotBeTrustedIsRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "not a JSON object"},
      {R"({"perplexity":null,"tokens":1})", "'perplexity' must be a number"},
      {R"({"perplexity":2})", "'tokens' is missing"},
      {R"({"measured":{}})", "measured is not a list"},
      {R"({"measured":[1]})", "not a JSON object"},
      {R"({"measured":[{"value":1,"count":1}]})", "'metric' is missing"},
      {R"({"measured":[{"metric":"","value":1,"count":1}]})", "name must be one line"},
      {R"({"measured":[{"metric":"a\nb","value":1,"count":1}]})", "name must be one line"},
      {R"({"measured":[{"metric":"a","value":null,"count":1}]})", "'value' must be a number"},
      {R"({"measured":[{"metric":"a","count":1}]})", "'value' is missing"},
      {R"({"measured":[{"metric":"a","value":1,"count":-1}]})", "the count of a is -1"},
      {R"({"measured":[{"metric":"a","value":1,"count":1.5}]})", "'count' must be an integer"},
      {R"({"measured":[{"metric":"a","value":1,"count":1,"standard_error":-0.5}]})", "the standard error of a is -0.5"},
      {R"({"measured":[{"metric":"a","value":1,"count":1},{"metric":"a","value":2,"count":1}]})",
       "a stands there twice"},
  };
  for (const auto& [metrics, message] : cases) {
    const Status status = Of(metrics).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << metrics << status;
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(message)) << metrics;
  }
  for (const double value : {HUGE_VAL, std::nan("")}) {
    const Json metrics{{"measured", MeasuredMetrics({{.metric = "a", .value = value, .count = 1}})}};
    EXPECT_THAT(std::string(MessageOf(MeasuredOf(metrics).status())), HasSubstr("a is not finite"));
  }
}

TEST(MeasuredTest, TheStoredFormKeepsEveryFieldAndInfinity) {
  Measured measured{.subject = "fp", .dataset = "held-out", .metric = "accuracy", .value = 1.0 / 3, .count = 8};
  const auto again = [&] { return Measured::FromJson(*ParseJson(CanonicalJson(measured.ToJson()), "test")); };
  EXPECT_EQ(*again(), measured);
  measured.standard_error = 0.0625;
  measured.add_bos = false;
  EXPECT_EQ(*again(), measured);
  measured.value = HUGE_VAL;
  EXPECT_EQ(*again(), measured) << "null in JSON";
  Json json = measured.ToJson();
  json.erase("dataset");
  EXPECT_TRUE(absl::IsInvalidArgument(Measured::FromJson(json).status()));
  json = measured.ToJson();
  json["standard_error"] = "small";
  EXPECT_TRUE(absl::IsInvalidArgument(Measured::FromJson(json).status()));
}

}  // namespace
}  // namespace lwq
