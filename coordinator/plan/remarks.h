// SPDX-License-Identifier: Apache-2.0
// What a person should know about a plan before it runs: which serving stacks load its result and which do not, and
// why; which defaults are not the usual ones. The facts are those of the stacks' published loaders (GPTQModel, vLLM,
// Transformers). Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "common/model/llama_config.h"
#include "coordinator/plan/block_plan.h"
#include "coordinator/plan/recipe/recipe.h"

namespace lwq::coordinator {

std::vector<std::string> ServingRemarks(const Recipe& recipe, const LlamaConfig& model,
                                        const std::vector<BlockPlan>& blocks);

// What was chosen for the user because the usual default does not suit the model: `given` is what they wrote, `recipe`
// what became of it.
std::vector<std::string> DefaultRemarks(const PartialRecipe& given, const Recipe& recipe, const LlamaConfig& model);

}  // namespace lwq::coordinator
