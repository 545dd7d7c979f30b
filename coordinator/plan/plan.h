// SPDX-License-Identifier: Apache-2.0
// The plan: the recipe resolved block by block, with what it will cost to store and to run.
//
// What differs by block (bits, group size, epochs, learning rates, patience, position in the training order) is decided
// by the recipe's policies (plan_blocks.h). A plan is a pure function of recipe, model and what is known about the
// blocks' sensitivity; a further measurement settles what was open and changes nothing that was settled. Thread-safety:
// values. Not here: tasks and their keys (graph/).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/model/llama_config.h"
#include "coordinator/plan/allocate/optimal.h"
#include "coordinator/plan/block_plan.h"
#include "coordinator/plan/plan_knowledge.h"
#include "coordinator/plan/policy/training_order.h"
#include "coordinator/plan/recipe/recipe.h"
#include "coordinator/plan/recipe/resolved_recipe.h"

namespace lwq::coordinator {

struct Plan {
  std::vector<BlockPlan> blocks;    // by layer_idx; empty where the method quantizes nothing
  std::vector<TrainingUnit> units;  // by depth
  std::vector<int64_t> order;       // of training: position → unit
  std::vector<double> scores;       // the scores that the policies used; empty where no policy needed any
  double average_bits = 0;          // plain mean of bit_width
  double stored_bits_per_weight = 0;
  int64_t quantized_bytes = 0;    // codes, scales, zero points and padding of all quantized linears
  int64_t export_bytes = 0;       // the whole export, 0 without one
  int64_t peak_memory_bytes = 0;  // estimate for the largest task, measuring included
  std::vector<std::string> remarks;
  std::vector<std::string> chosen_defaults;     // remarks.h: what the user did not write and should know
  std::optional<OptimalAllocation> allocation;  // "optimal": frontier and certificate
  int64_t quantized_weights = 0;                // of all quantized linears
  // The policies need a measurement that is not there yet: what goes by it is as the recipe has it.
  bool provisional = false;
};

// `model` may be null only for method "noop". Requires a recipe that ResolveRecipe returned for this model. Errors of
// PlanBlocks, on one line that begins with "recipe".
StatusOr<Plan> MakePlan(const ResolvedRecipe& resolved, const LlamaConfig* model, const PlanKnowledge& knowledge = {});
StatusOr<Plan> MakePlan(const Recipe& recipe, const LlamaConfig* model, const PlanKnowledge& knowledge = {});

}  // namespace lwq::coordinator
