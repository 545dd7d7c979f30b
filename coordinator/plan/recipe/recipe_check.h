// SPDX-License-Identifier: Apache-2.0
// Which recipes make sense: every rule on a field's value and on combinations, reported all at once.
// Pure; thread-safe.
#pragma once

#include "common/model/llama_config.h"
#include "common/status/status.h"
#include "coordinator/plan/recipe/recipe.h"

namespace lwq::coordinator {

// `given` is what the recipe was resolved from: where a word of it is none of its field's, the recipe holds another
// value. `model` may be null for method "noop". Codes as ResolveRecipe.
Status CheckRecipe(const Recipe& recipe, const PartialRecipe& given, const LlamaConfig* model);

}  // namespace lwq::coordinator
