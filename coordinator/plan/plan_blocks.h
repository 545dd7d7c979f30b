// SPDX-License-Identifier: Apache-2.0
// The policies put together: a recipe and measured scores in, what every block gets out.
//
// Bits and group sizes are decided per block, from the blocks' scores or from a table. Everything about training
// (order, epochs, learning rates, patience) is decided per training unit, from the units' scores; the blocks of a unit
// share it, joint takes the mean of their bits. With single-block units, the default, that is per block.
//
// A pure function: equal policies and inputs give an equal plan, on every machine; thread-safety: values. Errors name
// the field or the block: INVALID_ARGUMENT for scores or tables that make no sense or do not fit the model,
// FAILED_PRECONDITION for a width the export format cannot hold or a budget below the smallest plan, NOT_FOUND where a
// table lacks the entry that a policy reads, RESOURCE_EXHAUSTED as AllocateOptimally.
// Not here: steps (they need the number of batches), memory, tasks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/model/llama_config.h"
#include "common/recipe/recipe.h"
#include "common/status/status.h"
#include "coordinator/plan/allocate/optimal.h"
#include "coordinator/plan/block_plan.h"
#include "coordinator/plan/policy/score_table.h"
#include "coordinator/plan/policy/training_order.h"

namespace lwq::coordinator {

struct PolicyInputs {
  std::vector<std::vector<LinearShape>> block_shapes;  // the quantized linears of each block
  std::vector<double> scores;                          // of a scalar metric; empty where there is none
  std::optional<ScoreTable> table;                     // of a table metric
  std::optional<ScoreTable> squared_error;  // ‖W − Q(W)‖²: what "optimal" needs beside a scalar metric
  // reorder_every: block scores measured after every reorder_every-th trained block, as far as they are known. Entries
  // of trained blocks are not looked at.
  std::vector<std::vector<double>> reordered_scores;
  int64_t other_file_bytes = 0;  // of the export: what no plan changes (embedding, norms, head), for target_size_mb
};

struct PolicyPlan {
  std::vector<BlockPlan> blocks;    // by layer_idx; `position` is the unit's; `steps` is 0
  std::vector<TrainingUnit> units;  // by depth
  std::vector<int64_t> order;       // position → unit
  double average_bits = 0;          // plain mean
  int64_t stored_bits = 0;
  std::optional<OptimalAllocation> allocation;  // "optimal": frontier and certificate
  std::vector<std::string> remarks;             // one line each, for people
};

// `policies` as ResolvePolicies gives them.
StatusOr<PolicyPlan> PlanBlocks(const Recipe& policies, const PolicyInputs& inputs);

// The shapes of a model whose blocks are all alike.
std::vector<std::vector<LinearShape>> BlockShapesOf(const LlamaConfig& config);

}  // namespace lwq::coordinator
