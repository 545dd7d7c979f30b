// What a person should know about a plan's result before it runs: which serving stacks load it and which do not, and
// why. The facts are those of the stacks' published loaders (GPTQModel, vLLM, Transformers). Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "common/model/llama_config.h"
#include "coordinator/plan/block_plan.h"
#include "coordinator/plan/recipe.h"

namespace lwq::coordinator {

std::vector<std::string> ServingRemarks(const Recipe& recipe, const LlamaConfig& model,
                                        const std::vector<BlockPlan>& blocks);

}  // namespace lwq::coordinator
