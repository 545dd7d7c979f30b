// SPDX-License-Identifier: Apache-2.0
// Axes, conditions and names of a sweep: tables of cases, and what is wrong with trees that are refused.
#include "common/sweep/sweep.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/sweep_trees.h"

namespace lwq {
namespace {

using test::Conditioned;
using test::List;
using test::NamesOf;
using test::Product;
using test::Set;
using test::Values;
using test::Zip;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::vector<std::string> Names(const AxisNode& axes) {
  Sweep sweep;
  sweep.axes = axes;
  return NamesOf(sweep);
}

TEST(SweepAxes, OfAProductTheFirstAxisVariesSlowest) {
  EXPECT_THAT(Names(Product({Values("wbits", {2, 3}), Values("seed", {1, 2})})),
              ElementsAre("wbits=2 seed=1", "wbits=2 seed=2", "wbits=3 seed=1", "wbits=3 seed=2"));
}

TEST(SweepAxes, AZipPairsValues) {
  EXPECT_THAT(Names(Zip({Values("wbits", {2, 2, 4}), Values("group_size", {64, 128, 128})})),
              ElementsAre("wbits=2 group_size=64", "wbits=2 group_size=128", "wbits=4 group_size=128"));
}

TEST(SweepAxes, AListHoldsAlternativesThatMaySetDifferentKeys) {
  EXPECT_THAT(Names(List({Set({{"method", "rtn"}}), Product({Set({{"epochs", 2}}), Values("seed", {1, 2})})})),
              ElementsAre("method=rtn", "epochs=2 seed=1", "epochs=2 seed=2"));
}

TEST(SweepAxes, TreesNest) {
  const AxisNode axes =
      Product({Values("a", {1, 2}), Zip({Values("b", {1, 2}), List({Set({{"c", 7}}), Set({{"d", 8}})})})});
  EXPECT_EQ(*CountRows(axes), 4);
  EXPECT_THAT(Names(axes), ElementsAre("a=1 b=1 c=7", "a=1 b=2 d=8", "a=2 b=1 c=7", "a=2 b=2 d=8"));
}

TEST(SweepNames, KeysThatAreTheSameEverywhereAreLabelsButNoPartOfNames) {
  Sweep sweep;
  sweep.axes = Product({Values("wbits", {2}), Values("seed", {1, 2})});
  const auto arms = ExpandSweep(sweep);
  ASSERT_TRUE(arms.ok()) << arms.status();
  EXPECT_EQ(arms->arms[1].name, "seed=2");
  EXPECT_THAT(arms->arms[1].labels, ElementsAre(Pair("wbits", "2"), Pair("seed", "2")));
  EXPECT_THAT(arms->arms[1].overrides, ElementsAre(Pair("seed", 2), Pair("wbits", 2)));
  EXPECT_THAT(Names(Product({})), ElementsAre("base"));
}

TEST(SweepNames, AnArmIsCalledByItsNameInsteadOfWhatItSets) {
  const AxisNode arms =
      List({test::Arm("rtn", {{"method", "rtn"}}), test::Arm("mpq", {{"use_mixed_precision", true}})});
  Sweep sweep;
  sweep.axes = Product({arms, Values("seed", {1, 2})});
  EXPECT_THAT(NamesOf(sweep), ElementsAre("rtn seed=1", "rtn seed=2", "mpq seed=1", "mpq seed=2"));
  const auto expanded = ExpandSweep(sweep);
  EXPECT_THAT(expanded->arms[2].labels, ElementsAre(Pair(kArmKey, "mpq"), Pair("seed", "1")));
  EXPECT_THAT(expanded->arms[2].overrides, ElementsAre(Pair("seed", 1), Pair("use_mixed_precision", true)));
}

TEST(SweepNames, ThatWouldBeTooLongForAFolderAreCutAndNumbered) {
  AxisNode axis = Values("text", {1, 2});
  axis.values[0].label = std::string(500, 'x') + "a";
  axis.values[1].label = std::string(500, 'x') + "b";
  const std::vector<std::string> names = Names(axis);
  ASSERT_EQ(names.size(), 2u);
  EXPECT_LT(names[1].size(), 200u);
  EXPECT_THAT(names[1], testing::EndsWith(" #2"));
}

TEST(SweepConditions, AKeyIsLeftOutWhereItsConditionIsNotMetAndEqualArmsBecomeOne) {
  Sweep sweep;
  sweep.axes = Product({Values("method", {"rtn", "block_ap"}), Values("seed", {1, 2, 3})});
  sweep.only_if = {{"seed", Conditioned({{"method", {"block_ap"}}})}};
  EXPECT_THAT(NamesOf(sweep),
              ElementsAre("method=rtn", "method=block_ap seed=1", "method=block_ap seed=2", "method=block_ap seed=3"));
  EXPECT_EQ(ExpandSweep(sweep)->combinations, 6);
  EXPECT_THAT(ExpandSweep(sweep)->remarks, IsEmpty());
}

TEST(SweepConditions, ThatDependOnEachOtherAreFollowedToTheEnd) {
  Sweep sweep;  // c needs b, b needs a = 1
  sweep.axes = Product({Values("a", {1, 2}), Values("b", {1, 2}), Values("c", {1, 2})});
  sweep.only_if = {{"c", Conditioned({{"b", {1, 2}}})}, {"b", Conditioned({{"a", {1}}})}};
  EXPECT_THAT(NamesOf(sweep), ElementsAre("a=1 b=1 c=1", "a=1 b=1 c=2", "a=1 b=2 c=1", "a=1 b=2 c=2", "a=2"));
}

TEST(SweepConditions, ExcludeDropsArmsThatMeetAllKeysOfOneCondition) {
  Sweep sweep;
  sweep.axes = Product({Values("wbits", {2, 3, 4}), Values("group_size", {64, 128})});
  sweep.exclude = {Conditioned({{"wbits", {2, 3}}, {"group_size", {128}}}), Conditioned({{"wbits", {4}}})};
  EXPECT_THAT(NamesOf(sweep), ElementsAre("wbits=2", "wbits=3"));
}

TEST(SweepConditions, SeeWhatTheBaseGivesUnlessTheArmSaysOtherwise) {
  Sweep sweep;
  sweep.base = {{"method", "rtn"}};
  sweep.axes = List({Set({{"method", "block_ap"}}), Set({{"wbits", 4}})});
  sweep.exclude = {Conditioned({{"method", {"rtn"}}})};
  EXPECT_THAT(ExpandSweep(sweep)->arms[0].overrides, ElementsAre(Pair("method", "block_ap")));
  EXPECT_EQ(ExpandSweep(sweep)->arms.size(), 1u);
}

TEST(SweepConditions, AnExcludeThatNothingMeetsIsARemark) {
  Sweep sweep;
  sweep.axes = Values("wbits", {2, 3});
  sweep.exclude = {Conditioned({{"wbits", {8}}})};
  sweep.exclude[0].where = "sweep.yaml:9:3";
  EXPECT_THAT(ExpandSweep(sweep)->remarks, ElementsAre("sweep.yaml:9:3: exclude: no arm meets this condition"));
}

TEST(SweepConditions, AnOnlyIfThatNothingMeetsIsARemark) {
  Sweep sweep;
  sweep.axes = Product({Values("wbits", {2, 3}), Values("seed", {1, 2})});
  sweep.only_if = {{"seed", Conditioned({{"wbits", {8}}})}};
  EXPECT_THAT(NamesOf(sweep), ElementsAre("wbits=2", "wbits=3"));
  EXPECT_THAT(ExpandSweep(sweep)->remarks,
              ElementsAre("only_if: no arm meets the condition of seed, so no run has it"));
}

struct BadSweep {
  const char* name;
  Sweep sweep;
  const char* message;
};

Sweep With(AxisNode axes) {
  Sweep sweep;
  sweep.axes = std::move(axes);
  return sweep;
}

Sweep WithExclude(AxisNode axes, SweepCondition condition) {
  Sweep sweep = With(std::move(axes));
  sweep.exclude = {std::move(condition)};
  return sweep;
}

Sweep WithOnlyIf(AxisNode axes, const std::string& key, SweepCondition condition) {
  Sweep sweep = With(std::move(axes));
  sweep.only_if = {{key, std::move(condition)}};
  return sweep;
}

// 2^40 combinations in 40 axes of two values; 3 x 10^38 in a tree whose every level repeats the one below.
AxisNode ManyAxes() {
  AxisNode axes = Product({});
  for (int i = 0; i < 40; ++i) axes.parts.push_back(Values("k" + std::to_string(i), {0, 1}));
  return axes;
}

AxisNode LongAxis(int values) {
  AxisNode axis = Values("seed", {});
  for (int i = 0; i < values; ++i) axis.values.push_back({i, std::to_string(i)});
  return axis;
}

AxisNode SameLabels() {
  AxisNode axis = Values("model", {"a/tiny", "b/tiny"});
  for (AxisValue& value : axis.values) value.label = "tiny";
  return axis;
}

std::vector<BadSweep> BadSweeps() {
  return {
      {"NoValues", With(Values("wbits", {})), "wbits: has no values"},
      {"EmptyZip", With(Zip({})), "zip: is empty"},
      {"EmptyList", With(List({})), "list: is empty"},
      {"ValueTwice", With(Values("wbits", {2, 3, 2})), "wbits: the value \"2\" is given twice"},
      {"ValueTwiceInTwoSpellings", With(Values("quant_lr", {1e-4, 0.0001})), "is given twice"},
      {"KeyTwice", With(Product({Values("wbits", {2}), Zip({Values("wbits", {3})})})),
       "key \"wbits\" is set by two axes at once"},
      {"UnequalZip", With(Zip({Values("wbits", {2, 3, 4}), Values("seed", {1, 2})})),
       "zip: wbits has 3 values and seed has 2; give both as many"},
      {"UnequalZipOfNodes", With(Zip({Values("wbits", {2, 3, 4}), List({Set({{"seed", 1}, {"wd", 0}})})})),
       "zip: wbits has 3 values and the part of seed, wd has 1"},
      {"ManyAxes", With(ManyAxes()), "makes more than 100000 combinations"},
      {"ManyArms", With(LongAxis(1'001)), "has more than 1000 arms"},
      {"SameNames", With(SameLabels()), "two different arms, the 1. and the 2., are both named \"model=tiny\""},
      {"NothingLeft", WithExclude(Values("wbits", {2}), Conditioned({{"wbits", {2}}})), "no arm is left"},
      {"OnlyIfForNoAxis", WithOnlyIf(Values("wbits", {2}), "seed", Conditioned({{"wbits", {2}}})),
       "only_if: no axis sets seed"},
      {"OnlyIfOnNothing", WithOnlyIf(Values("wbits", {2}), "wbits", Conditioned({{"seed", {2}}})),
       "only_if: wbits depends on seed, which neither the axes nor the base give"},
  };
}

class RefusedSweep : public testing::TestWithParam<BadSweep> {};

TEST_P(RefusedSweep, IsRefusedWithOneLine) {
  const auto arms = ExpandSweep(GetParam().sweep);
  EXPECT_EQ(arms.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(arms.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(Every, RefusedSweep, testing::ValuesIn(BadSweeps()),
                         [](const auto& param) { return param.param.name; });

TEST(SweepAxes, MessagesBeginWithThePlaceOfTheNode) {
  AxisNode axis = Values("wbits", {});
  axis.where = "sweep.yaml:4:7";
  EXPECT_EQ(CountRows(Product({axis})).status().message(),
            "sweep.yaml:4:7: wbits: has no values; give some or remove the key");
}

}  // namespace
}  // namespace lwq
