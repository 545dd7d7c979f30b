// SPDX-License-Identifier: Apache-2.0
// The table of recipe fields as text: what the command line, the manual and tests show of every field. Pure;
// thread-safe; built once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/recipe/recipe_rules.h"

namespace lwq {

enum class RecipeFieldType { kWord, kBool, kInteger, kNumber, kText, kIntegers, kWords };

struct RecipeFieldText {
  std::string name;
  RecipeFieldType type = RecipeFieldType::kText;
  std::string meaning;               // a sentence without its full stop
  std::string default_text;          // the default value, or the rule it follows
  std::string allowed;               // "1 to 4096", "one of cosine, chained_cosine", …
  std::string help;                  // for the command line: the meaning, with the default
  std::vector<std::string> choices;  // values that the command line completes
  bool only_choices = false;         // a number that is one of them, and none between
  std::optional<std::pair<double, double>>
      range;  // the least and the largest number, both allowed; absent: no such rule
  recipe::Readers readers;
};

// In the table's order.
const std::vector<RecipeFieldText>& RecipeFieldTexts();
// nullptr where there is no such field.
const RecipeFieldText* FindRecipeField(std::string_view name);

}  // namespace lwq
