// The plan: the recipe resolved block by block, with what it will cost to store and to run.
//
// What differs by block (bits, group size, epochs, learning rates, patience, position in the training order) is decided
// by the recipe's policies (plan_blocks.h). A plan is a pure function of recipe, model and sensitivity scores; it never
// changes once a run has started. Thread-safety: values. Not here: tasks and their keys (graph/).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/model/llama_config.h"
#include "coordinator/plan/block_plan.h"
#include "coordinator/plan/recipe.h"

namespace lwq::coordinator {

struct Plan {
  std::vector<BlockPlan> blocks;  // by layer_idx; empty where the method quantizes nothing
  std::vector<int64_t> order;     // training order: position → layer_idx
  double average_bits = 0;        // plain mean of bit_width
  double stored_bits_per_weight = 0;
  int64_t quantized_bytes = 0;    // codes, scales, zero points and padding of all quantized linears
  int64_t export_bytes = 0;       // all tensors of the export; 0 where nothing is exported
  int64_t peak_memory_bytes = 0;  // of the largest task
  std::vector<std::string> remarks;
};

// `model` may be null only for method "noop". Requires a recipe that ResolveRecipe returned for this model. `scores`:
// one sensitivity per block, or none. FAILED_PRECONDITION where the recipe's policies need scores and there are none;
// errors of PlanBlocks.
StatusOr<Plan> MakePlan(const Recipe& recipe, const LlamaConfig* model, const std::vector<double>& scores = {});

}  // namespace lwq::coordinator
