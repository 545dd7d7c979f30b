// SPDX-License-Identifier: Apache-2.0
// From what a user wrote to a recipe whose every field has a value and makes sense, and to and from stored records.
//
// The fields are those of common/recipe/recipe_fields.inc. A field's value is the user's, else the preset's, else the
// default, which may follow from other fields and the model (recipe_defaults.h).
//
// Pure; thread-safe. Not here: what a recipe means block by block (plan.h).
#pragma once

#include <cstdint>

#include "common/json/json.h"
#include "common/model/llama_config.h"
#include "common/recipe/method.h"
#include "common/recipe/recipe.h"
#include "common/status/status.h"

namespace lwq::coordinator {

// The method asked for: the default where none is given, or where the word is none of a method's (ResolveRecipe refuses
// it).
Method MethodOf(const PartialRecipe& partial);

// Fills every field, then validates. `model` may be null only when the method is "noop".
// INVALID_ARGUMENT with every problem on one line, each naming its field and what would be allowed; FAILED_PRECONDITION
// when the only problem is a width that export_format cannot hold (the message names the formats that can).
StatusOr<Recipe> ResolveRecipe(const PartialRecipe& partial, const LlamaConfig* model);

// The recipe with "auto" decided for a class of workers: precision bf16 where the hardware has it, else fp32;
// activations in the precision's dtype. Requires a resolved recipe; idempotent.
Recipe PinRecipe(Recipe recipe, bool hardware_bf16);

// Optimizer steps of one block trained for `epochs`: round(epochs × ceil(train_size / batch_size)), also the learning
// rate's horizon.
int64_t PlannedSteps(const Recipe& recipe, double epochs);

// For the store: an object with one member per field that has a value.
Json RecipeToJson(const PartialRecipe& recipe);
Json RecipeToJson(const Recipe& recipe);
// DATA_LOSS for an unknown field, a wrong type, or (resolved) a word that is none. A resolved recipe that was stored
// before a field existed gets the field's default.
StatusOr<PartialRecipe> PartialRecipeFromJson(const Json& json);
StatusOr<Recipe> RecipeFromJson(const Json& json);

}  // namespace lwq::coordinator
