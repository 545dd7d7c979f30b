// SPDX-License-Identifier: Apache-2.0
// The recipe: everything that decides how a run quantizes. The fields are those of recipe_fields.inc, in three forms:
// as a user wrote it (any field may be absent, a word may be none), half settled (absent or a value), and resolved
// (every field has a value).
//
// Pure values. Thread-safety: none needed. Not here: defaults that follow from other fields, checks of combinations and
// what a recipe means block by block (coordinator/plan).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/recipe/choices.h"
#include "common/recipe/given_word.h"
#include "common/recipe/recipe_rules.h"

namespace lwq {

template <template <typename> class Field>
struct BasicRecipe {
#define LWQ_RECIPE_FIELD(type, name, default_value, allowed, readers, help) Field<type> name = {};
#include "common/recipe/recipe_fields.inc"
};

template <typename T>
struct GivenValue {
  using type = T;
};
template <RecipeChoice E>
struct GivenValue<E> {
  using type = GivenWord<E>;
};
template <typename T>
using GivenField = std::optional<typename GivenValue<T>::type>;
template <typename T>
using SettledField = std::optional<T>;
template <typename T>
using ResolvedField = T;

using PartialRecipe = BasicRecipe<GivenField>;
using SettledRecipe = BasicRecipe<SettledField>;
using Recipe = BasicRecipe<ResolvedField>;

// Calls visit(row, recipe.field…) for every row of the table (recipe_rules.h), with its field of each recipe given.
template <typename Visit, typename... R>
void ForEachRecipeRow(Visit&& visit, R&... recipes) {
  using recipe::Between, recipe::Checked, recipe::Follows, recipe::Integers, recipe::kAny, recipe::MakeRow,
      recipe::Words;
  using recipe::ReadBy, recipe::Reader, recipe::TrainWindows, recipe::Value, recipe::WeightBits;
#define LWQ_RECIPE_FIELD(type, name, default_value, allowed, readers, help) \
  visit(MakeRow<type>(#name, default_value, allowed, readers, help), recipes.name...);
#include "common/recipe/recipe_fields.inc"
}

// Calls visit(name, recipe.field…) for every field.
template <typename Visit, typename... R>
void ForEachRecipeField(Visit&& visit, R&... recipes) {
#define LWQ_RECIPE_FIELD(type, name, default_value, allowed, readers, help) \
  visit(std::string_view(#name), recipes.name...);
#include "common/recipe/recipe_fields.inc"
}

}  // namespace lwq
