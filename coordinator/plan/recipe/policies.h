// SPDX-License-Identifier: Apache-2.0
// Which policies a recipe names and what they come to. The formulas are elsewhere (mixed_precision.h,
// training_policy.h, training_order.h, optimal.h).
//
// Pure; thread-safe.
#pragma once

#include <cstdint>

#include "common/recipe/recipe.h"
#include "common/status/status.h"

namespace lwq::coordinator {

// The recipe with its ablation worked in (it is kNone then), after every rule on how its policies combine:
//   baseline   neither MPQ nor SGRA            mpq_only   MPQ to target_avg_bits      sgra_only  SGRA
//   qbo_only   target_size_mb with "optimal"   all        MPQ and SGRA, hence joint; to target_size_mb where it is set
// An ablation decides MPQ, SGRA and target_size_mb only; order, adaptive_epochs and adaptive_lr_scaling stay. `recipe`
// has every field. INVALID_ARGUMENT names the field and what would be allowed. Idempotent.
StatusOr<Recipe> ResolvePolicies(Recipe recipe);

// Of the policies that ResolvePolicies gives: whether the widths are found by the exact programme ("optimal").
bool IsOptimal(const Recipe& policies);
// Of the same: whether any of them reads one score per block.
bool NeedsScores(const Recipe& policies);

// Whether the method makes quantized blocks.
bool Quantizes(const Recipe& recipe);

// block_grouping as a number of blocks; 0 for "similar". Requires one of the two.
int64_t BlocksPerUnit(const Recipe& recipe);
bool GroupsSimilarBlocks(const Recipe& recipe);
// The most blocks that a training unit of the recipe can have in a model of so many.
int64_t MostBlocksInUnit(const Recipe& recipe, int64_t model_blocks);

}  // namespace lwq::coordinator
