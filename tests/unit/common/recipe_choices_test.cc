// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <string>
#include <type_traits>

#include "common/recipe/choices.h"
#include "common/recipe/given_word.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

template <typename E>
class ChoiceTest : public ::testing::Test {};
using AllTypes =
    ::testing::Types<Preset, Method, LrSchedule, SensitivityMetric, HessianScope, Handoff, LayerOrdering,
                     LrNormalization, MpqStrategy, MpqGroupSize, Ablation, PolicySemantics, Precision, ExportFormat>;
TYPED_TEST_SUITE(ChoiceTest, AllTypes);

TYPED_TEST(ChoiceTest, EveryValueHasAWordOfItsOwnThatNamesIt) {
  std::set<std::string> words;
  for (const TypeParam choice : AllChoices<TypeParam>()) {
    words.emplace(WordOf(choice));
    EXPECT_EQ(ParseWord<TypeParam>(WordOf(choice)), choice) << WordOf(choice);
  }
  EXPECT_EQ(words.size(), kWords<TypeParam>.size());
  for (const char* none : {"", "Fisher", "rtn ", "nonsense"}) EXPECT_EQ(ParseWord<TypeParam>(none), std::nullopt);
}

TEST(ChoiceWordsTest, TheWordsOfToday) {
  EXPECT_EQ(WordOf(Method::kBlockAp), "block_ap");
  EXPECT_EQ(WordOf(LrNormalization::kMinMax), "minmax");
  EXPECT_EQ(WordOf(ExportFormat::kGptqV2), "gptq_v2");
  EXPECT_EQ(WordOf(LrSchedule::kChainedCosine), "chained_cosine");
}

template <typename A, typename B>
concept Comparable = requires(const A& a, const B& b) {
  a == b;
};

TEST(GivenWordTest, ATextThatIsNoWordIsKeptAndIsNoChoice) {
  const GivenWord<Method> word("gtpq");
  EXPECT_EQ(word.text(), "gtpq");
  EXPECT_EQ(word.choice(), std::nullopt);
  EXPECT_FALSE(word == Method::kBlockAp);
  EXPECT_EQ(GivenWord<Method>(std::string("rtn")), Method::kRtn);
  EXPECT_EQ(GivenWord<Method>(Method::kNone).text(), "none");
}

TEST(GivenWordTest, IsComparedWithChoicesNotWithTexts) {
  static_assert(Comparable<GivenWord<Method>, Method>);
  static_assert(!Comparable<GivenWord<Method>, std::string>);
  static_assert(!Comparable<GivenWord<Method>, char[4]>);
  static_assert(!Comparable<Method, std::string>);
}

TEST(UnknownWordMessageTest, ShowsTheTextOnOneLineAndEveryWord) {
  EXPECT_EQ(UnknownWordMessage("a\nb", kWords<HessianScope>), "'a\\nb' is unknown, must be one of block, model");
  EXPECT_EQ(UnknownWordMessage(std::string(100, 'x'), kWords<HessianScope>),
            "'" + std::string(40, 'x') + "' is unknown, must be one of block, model");
}

}  // namespace
}  // namespace lwq
