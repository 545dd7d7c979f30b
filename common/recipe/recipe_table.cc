// SPDX-License-Identifier: Apache-2.0
#include "common/recipe/recipe_table.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/recipe/recipe.h"
#include "common/status/status.h"

namespace lwq {
namespace {

// The shortest text that is the number: "0.5", "1e-4".
std::string NumberText(double value) {
  char buffer[32];
  const auto end = std::to_chars(std::begin(buffer), std::end(buffer), value).ptr;
  return absl::StrReplaceAll(std::string(std::begin(buffer), end), {{"e-0", "e-"}, {"e+0", "e"}, {"e+", "e"}});
}

template <typename T>
std::string ValueText(T value) {
  if constexpr (RecipeChoice<T>) {
    return std::string(WordOf(value));
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_arithmetic_v<T>) {
    return NumberText(static_cast<double>(value));
  } else {
    return value;
  }
}

template <typename T, typename Allowed>
constexpr RecipeFieldType TypeOf() {
  if (RecipeChoice<T>) return RecipeFieldType::kWord;
  if (std::is_same_v<T, bool>) return RecipeFieldType::kBool;
  if (std::is_integral_v<T>) return RecipeFieldType::kInteger;
  if (std::is_floating_point_v<T>) return RecipeFieldType::kNumber;
  if (std::is_same_v<Allowed, recipe::Words>) return RecipeFieldType::kWords;
  return std::is_same_v<Allowed, recipe::Integers> ? RecipeFieldType::kIntegers : RecipeFieldType::kText;
}

// The default as the command line and as the manual say it.
struct DefaultText {
  std::string shown;
  std::string rule;
};
template <typename V>
DefaultText TextOf(const recipe::Value<V>& default_value) {
  return {ValueText(default_value.value), ValueText(default_value.value)};
}
DefaultText TextOf(const recipe::Follows& default_value) {
  return {std::string(default_value.shown),
          std::string(default_value.rule.empty() ? default_value.shown : default_value.rule)};
}

std::vector<std::string> WordsText(const auto& values) {
  std::vector<std::string> words;
  for (const auto& value : values) words.push_back(absl::StrCat(value));
  return words;
}

template <typename T, typename V>
void Describe(const recipe::Range<V>& range, RecipeFieldText& text) {
  const auto number = [](V value) {
    return std::is_integral_v<V> ? absl::StrCat(value) : NumberText(static_cast<double>(value));
  };
  text.allowed = absl::StrCat(number(range.low), " to ", number(range.high));
  text.range = {static_cast<double>(range.low), static_cast<double>(range.high)};
}
template <typename T>
void Describe(const recipe::AnyOfItsType&, RecipeFieldText& text) {
  if constexpr (RecipeChoice<T>) {
    text.choices = WordsText(kWords<T>);
    text.allowed = absl::StrJoin(text.choices, ", ");
  } else {
    text.choices = {"true", "false"};
  }
}
template <typename T>
void Describe(const recipe::WeightBits&, RecipeFieldText& text) {
  text.choices = WordsText(recipe::kWeightBits);
  text.only_choices = true;
  text.allowed =
      absl::StrCat(absl::StrJoin(text.choices.begin(), text.choices.end() - 1, ", "), " or ", text.choices.back());
}
template <typename T>
void Describe(const recipe::TrainWindows&, RecipeFieldText& text) {
  text.allowed = "1 to train_size";
}
template <typename T>
void Describe(const recipe::Integers& integers, RecipeFieldText& text) {
  text.allowed = std::string(integers.text);
}
template <typename T>
void Describe(const recipe::Words& words, RecipeFieldText& text) {
  text.allowed = std::string(words.text);
}
template <typename T>
void Describe(const recipe::Checked& checked, RecipeFieldText& text) {
  text.allowed = std::string(checked.text);
  if (!checked.suggested.empty()) text.choices = absl::StrSplit(std::string(checked.suggested), ',');
}

std::vector<RecipeFieldText> AllTexts() {
  std::vector<RecipeFieldText> texts;
  ForEachRecipeRow([&](const auto& row) {
    using RowType = std::decay_t<decltype(row)>;
    using T = typename RowType::Type;
    RecipeFieldText text;
    text.name = std::string(row.name);
    text.type = TypeOf<T, typename RowType::Allowed>();
    Describe<T>(row.allowed, text);
    const DefaultText default_text = TextOf(row.default_value);
    text.meaning = std::string(row.help);
    text.default_text = default_text.rule;
    text.help = absl::StrCat(row.help, " (default ", default_text.shown, ")");
    text.readers = row.readers;
    texts.push_back(std::move(text));
  });
  return texts;
}

}  // namespace

const std::vector<RecipeFieldText>& RecipeFieldTexts() {
  static const auto* const kTexts = new std::vector<RecipeFieldText>(AllTexts());
  return *kTexts;
}

const RecipeFieldText* FindRecipeField(std::string_view name) {
  const auto& texts = RecipeFieldTexts();
  const auto found = std::find_if(texts.begin(), texts.end(), [&](const auto& text) { return text.name == name; });
  return found == texts.end() ? nullptr : &*found;
}

}  // namespace lwq
