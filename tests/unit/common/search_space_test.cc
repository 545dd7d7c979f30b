// SPDX-License-Identifier: Apache-2.0
#include "common/search/search_space.h"

#include <cmath>
#include <limits>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::search {
namespace {

using ::testing::HasSubstr;

SearchParameter FloatRange(double low, double high) {
  SearchParameter parameter;
  parameter.name = "quant_lr";
  parameter.low = low;
  parameter.high = high;
  return parameter;
}

SearchParameter IntRange(double low, double high) {
  SearchParameter parameter = FloatRange(low, high);
  parameter.kind = ParameterKind::kInt;
  return parameter;
}

SearchParameter LogRange(SearchParameter parameter) {
  parameter.log = true;
  return parameter;
}

SearchParameter Stepped(SearchParameter parameter, double step) {
  parameter.step = step;
  return parameter;
}

SearchParameter Choices(std::vector<std::string> choices) {
  SearchParameter parameter;
  parameter.name = "quant_lr";
  parameter.kind = ParameterKind::kCategorical;
  parameter.choices = std::move(choices);
  return parameter;
}

TEST(SearchSpaceTest, WhatCannotBeSearchedIsRefusedInOneLineThatNamesTheParameter) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  SearchParameter both = FloatRange(0, 1);
  both.choices = {"a", "b"};
  SearchParameter low_of_choices = Choices({"a", "b"});
  low_of_choices.low = 1;
  std::vector<std::string> many;
  for (size_t i = 0; i <= kMaxChoices; ++i) many.push_back(std::to_string(i));
  const std::vector<std::pair<SearchParameter, std::string>> cases = {
      {FloatRange(1, 1), "low 1 is not below high 1"},
      {FloatRange(2, 1), "low 2 is not below high 1"},
      {FloatRange(kNan, 1), "finite"},
      {FloatRange(0, kNan), "finite"},
      {FloatRange(0, kInfinity), "finite"},
      {FloatRange(-1e308, 1e308), "too wide"},
      {LogRange(FloatRange(0, 1)), "log needs a positive low, not 0"},
      {LogRange(FloatRange(-1, 1)), "log needs a positive low, not -1"},
      {LogRange(IntRange(0, 8)), "log needs a positive low, not 0"},
      {Stepped(FloatRange(0, 1), 0), "step 0 is not a positive number"},
      {Stepped(FloatRange(0, 1), -0.1), "step -0.1 is not a positive number"},
      {Stepped(FloatRange(0, 1), kNan), "is not a positive number"},
      {Stepped(FloatRange(0, 1), 0.3),
       "step 0.3 does not divide the range from 0 to 1; the nearest end it reaches is 0.9"},
      {Stepped(FloatRange(0, 1), 2), "step 2 does not divide"},
      {Stepped(FloatRange(0, 1), 1e-300), "too small for the range"},
      {Stepped(LogRange(FloatRange(0.1, 1)), 0.1), "step and log cannot stand together"},
      {Stepped(IntRange(0, 8), 0.5), "step 0.5 of an int is not whole"},
      {Stepped(IntRange(0, 8), 3), "step 3 does not divide"},
      {IntRange(0, 1.5), "must be whole"},
      {IntRange(0, 0x1p60), "within 2^53"},
      {Choices({}), "has 0 choices"},
      {Choices({"a"}), "has 1 choices, and a search needs at least 2"},
      {Choices({"a", "b", "a"}), "the choice 'a' stands twice"},
      {Choices(many), "has 1001 choices; at most 1000"},
      {both, "a range has no choices"},
      {low_of_choices, "a list of choices has no low"},
  };
  for (const auto& [parameter, error] : cases) {
    const Status status = CheckSearchSpace({parameter});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << error;
    EXPECT_THAT(std::string(status.message()), HasSubstr(error));
    EXPECT_EQ(status.message().find("quant_lr: "), 0U) << status;
    EXPECT_EQ(status.message().find('\n'), std::string::npos) << status;
  }
}

TEST(SearchSpaceTest, ASpaceWithoutParametersOrWithANameTwiceIsRefused) {
  EXPECT_THAT(std::string(CheckSearchSpace({}).message()), HasSubstr("has no parameters"));
  EXPECT_THAT(std::string(CheckSearchSpace({FloatRange(0, 1), IntRange(0, 1)}).message()), HasSubstr("stands twice"));
  SearchParameter nameless = FloatRange(0, 1);
  nameless.name = "";
  EXPECT_THAT(std::string(CheckSearchSpace({nameless}).message()), HasSubstr("parameter 0 of the search has no name"));
  EXPECT_THAT(std::string(CheckSearchSpace(SearchSpace(1001, FloatRange(0, 1))).message()), HasSubstr("at most 1000"));
}

TEST(SearchSpaceTest, AStepThatIsNoBinaryFractionDividesItsRange) {
  EXPECT_TRUE(CheckSearchSpace({Stepped(FloatRange(0.1, 0.9), 0.1)}).ok());
  EXPECT_TRUE(CheckSearchSpace({Stepped(FloatRange(0, 1), 1e-6)}).ok());
  EXPECT_EQ(CountValues(Stepped(FloatRange(0.1, 0.9), 0.1)), 9);
  EXPECT_EQ(CountValues(Stepped(FloatRange(0, 1), 1e-6)), 1000001);
}

TEST(SearchSpaceTest, ValuesOfAGridAreTheDecimalsThatAPersonWouldWrite) {
  const SearchParameter parameter = Stepped(FloatRange(0.1, 0.9), 0.1);
  const std::vector<double> decimals = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};
  for (size_t i = 0; i < decimals.size(); ++i) {
    const ParameterValue value = ValueAt(parameter, (static_cast<double>(i) + 0.5) / 9);
    EXPECT_EQ(std::get<double>(value), decimals[i]);
    EXPECT_TRUE(CheckValue(parameter, value).ok());
  }
}

TEST(SearchSpaceTest, EqualPartsOfTheUnitIntervalGoToEqualPartsOfARange) {
  EXPECT_EQ(std::get<double>(ValueAt(FloatRange(-2, 2), 0)), -2);
  EXPECT_EQ(std::get<double>(ValueAt(FloatRange(-2, 2), 0.25)), -1);
  EXPECT_NEAR(std::get<double>(ValueAt(LogRange(FloatRange(1e-6, 1e-2)), 0.75)), 1e-3, 1e-15);
  EXPECT_NEAR(std::get<double>(ValueAt(LogRange(FloatRange(1e-6, 1e-2)), 0)), 1e-6, 1e-20);
}

TEST(SearchSpaceTest, EveryValueOfAGridHasAnEqualShareAndTheEndsBelongToIt) {
  for (const SearchParameter& parameter :
       {IntRange(-3, 4), Stepped(IntRange(32, 256), 32), Stepped(FloatRange(0, 7), 1),
        Choices({"a", "b", "c", "d", "e", "f", "g", "h"})}) {
    std::map<ParameterValue, int> counts;
    for (int i = 0; i < 800; ++i) ++counts[ValueAt(parameter, (i + 0.5) / 800)];
    ASSERT_EQ(counts.size(), 8U);
    for (const auto& [value, count] : counts) EXPECT_EQ(count, 100);
    EXPECT_EQ(ValueAt(parameter, 0), counts.begin()->first);
    EXPECT_EQ(ValueAt(parameter, 1 - 0x1p-53), counts.rbegin()->first);
  }
}

TEST(SearchSpaceTest, OfALogRangeOfWholeNumbersEachHasTheShareBetweenItsHalves) {
  const SearchParameter parameter = LogRange(IntRange(1, 64));
  std::map<int64_t, int> counts;
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) ++counts[std::get<int64_t>(ValueAt(parameter, (i + 0.5) / kDraws))];
  const double whole = std::log(64.5 / 0.5);
  for (const int64_t k : {1, 2, 10, 64}) {
    const double value = static_cast<double>(k);
    EXPECT_NEAR(counts[k], kDraws * std::log((value + 0.5) / (value - 0.5)) / whole, 2) << k;
  }
}

TEST(SearchSpaceTest, AValuesPlaceInTheUnitIntervalLeadsBackToIt) {
  for (const SearchParameter& parameter :
       {FloatRange(-2, 3), LogRange(FloatRange(1e-6, 1)), Stepped(FloatRange(0.1, 0.9), 0.1), IntRange(-5, 90),
        Stepped(IntRange(0, 90), 15), LogRange(IntRange(1, 1000)), Choices({"x", "y", "z"})}) {
    for (int i = 0; i <= 100; ++i) {
      const ParameterValue value = ValueAt(parameter, i / 101.0);
      EXPECT_TRUE(CheckValue(parameter, value).ok()) << CheckValue(parameter, value);
      const ParameterValue again = ValueAt(parameter, UnitOf(parameter, value));
      if (CountValues(parameter).has_value()) {
        EXPECT_EQ(again, value);
      } else {
        EXPECT_NEAR(std::get<double>(again), std::get<double>(value), 1e-14);
      }
    }
  }
}

TEST(SearchSpaceTest, AValueBesideItsRangeGridOrKindIsRefused) {
  const std::vector<std::tuple<SearchParameter, ParameterValue, std::string>> cases = {
      {FloatRange(0, 1), 1.5, "1.5 is not between 0 and 1"},
      {FloatRange(0, 1), std::numeric_limits<double>::quiet_NaN(), "is not between"},
      {FloatRange(0, 1), int64_t{1}, "takes a float"},
      {IntRange(0, 8), 3.0, "takes a whole number"},
      {IntRange(0, 8), int64_t{9}, "9 is not between 0 and 8"},
      {Stepped(IntRange(0, 8), 4), int64_t{3}, "3 is not 0 plus a multiple of 4"},
      {Stepped(FloatRange(0, 1), 0.1), 0.25, "0.25 is not 0 plus a multiple of 0.1"},
      {FloatRange(0, 1), std::string("0.5"), "takes a float"},
      {Choices({"a", "b"}), 0.0, "takes one of its choices"},
      {Choices({"a", "b"}), std::string("c"), "'c' is none of its choices"},
  };
  for (const auto& [parameter, value, error] : cases) {
    EXPECT_THAT(std::string(CheckValue(parameter, value).message()), HasSubstr(error));
  }
  EXPECT_TRUE(CheckValue(Stepped(FloatRange(0, 1), 0.1), 0.1 + 0.2).ok()) << "rounding is no other value";
}

}  // namespace
}  // namespace lwq::search
