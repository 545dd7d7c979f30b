// SPDX-License-Identifier: Apache-2.0
// What the fields of a recipe are where nobody says: the preset's values, constants (recipe_fields.inc), and what
// follows from other fields and the model.
//
// Pure; thread-safe. Not here: whether the values make sense (recipe_check.h).
#pragma once

#include "common/model/llama_config.h"
#include "common/recipe/recipe.h"

namespace lwq::coordinator {

// The fields whose default is a constant; the others are absent.
const SettledRecipe& ConstantDefaults();

// kIgnore: of a stored recipe, whose preset has been applied.
enum class Presets { kApply, kIgnore };

// The given fields with every other one filled in. A word that is none counts as not given. `model` may be null: then
// what follows from the model is what suits most.
Recipe Completed(const PartialRecipe& given, Presets presets, const LlamaConfig* model);

}  // namespace lwq::coordinator
