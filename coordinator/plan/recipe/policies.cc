// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/policies.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "common/recipe/method.h"
#include "coordinator/plan/policy/mixed_precision.h"
#include "coordinator/plan/recipe/block_bits.h"

namespace lwq::coordinator {
namespace {

// block_grouping is this word, or a number of blocks.
constexpr std::string_view kSimilar = "similar";
constexpr int64_t kSimilarBlocks = 0;

// Blocks per unit, kSimilarBlocks for the word; nothing for any other text.
std::optional<int64_t> ParseBlockGrouping(const std::string& text) {
  if (text == kSimilar) return kSimilarBlocks;
  int64_t blocks = 0;
  return absl::SimpleAtoi(text, &blocks) && blocks >= 1 ? std::optional(blocks) : std::nullopt;
}

Status CheckGrouping(const Recipe& recipe) {
  if (!ParseBlockGrouping(recipe.block_grouping).has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("block_grouping is \"", recipe.block_grouping,
                                                   "\"; it can be a number of blocks from 1 on, or similar"));
  }
  if (!(recipe.block_grouping_factor >= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("block_grouping_factor is ", recipe.block_grouping_factor, "; it must be at least 1"));
  }
  if (recipe.block_grouping_most < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("block_grouping_most is ", recipe.block_grouping_most, "; it must be at least 1"));
  }
  return absl::OkStatus();
}

Status CheckPolicies(const Recipe& recipe) {
  if (recipe.reorder_every < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("reorder_every is ", recipe.reorder_every, "; it is a number of blocks, or 0 for never"));
  }
  if (recipe.reorder_every > 0 && recipe.layer_ordering != LayerOrdering::kSensitivity) {
    return absl::InvalidArgumentError(absl::StrCat("reorder_every sorts by sensitivity: it needs layer_ordering ",
                                                   "sensitivity, not ", WordOf(recipe.layer_ordering)));
  }
  const bool optimal = IsOptimal(recipe);
  // Stored bits count scales and zero points: more than the width, and 32 with groups of 1.
  const double least = optimal ? 0 : *std::begin(kWidths);
  const double most = optimal ? 32 : *std::rbegin(kWidths);
  if (recipe.use_mixed_precision && !(recipe.target_avg_bits >= least && recipe.target_avg_bits <= most)) {
    return absl::InvalidArgumentError(absl::StrCat("target_avg_bits is ", recipe.target_avg_bits,
                                                   "; with mpq_strategy ", WordOf(recipe.mpq_strategy),
                                                   " it can be from ", least, " to ", most));
  }
  if (recipe.target_size_mb > 0 && !optimal) {
    return absl::InvalidArgumentError(
        "target_size_mb is a budget of stored bytes: it needs use_mixed_precision with mpq_strategy optimal");
  }
  if (!(recipe.target_size_mb >= 0 && recipe.target_size_mb < 1e9)) {
    return absl::InvalidArgumentError(
        absl::StrCat("target_size_mb is ", recipe.target_size_mb, "; it must be a positive number of megabytes"));
  }
  LWQ_ASSIGN_OR_RETURN(const auto block_bits, ParseBlockBits(recipe.block_bits));
  if (recipe.use_mixed_precision && !block_bits.empty()) {
    return absl::InvalidArgumentError(
        "block_bits says the bits that use_mixed_precision would choose: give one of them");
  }
  if (optimal && recipe.mpq_group_size == MpqGroupSize::kByScore) {
    return absl::InvalidArgumentError(
        "mpq_group_size by_score cannot be combined with mpq_strategy optimal, which chooses the group sizes itself");
  }
  return absl::OkStatus();
}

Status ApplyAblation(Recipe& recipe) {
  const Ablation ablation = recipe.ablation;
  recipe.ablation = Ablation::kNone;
  if (ablation == Ablation::kNone) return absl::OkStatus();
  const bool has_size = recipe.target_size_mb > 0;
  const bool by_size = ablation == Ablation::kQboOnly || (ablation == Ablation::kAll && has_size);
  if (by_size && !has_size) return absl::InvalidArgumentError("ablation qbo_only needs target_size_mb");
  recipe.use_mixed_precision = ablation == Ablation::kMpqOnly || ablation == Ablation::kAll || by_size;
  recipe.use_adaptive_training = ablation == Ablation::kSgraOnly || ablation == Ablation::kAll;
  if (by_size) {
    recipe.mpq_strategy = MpqStrategy::kOptimal;
  } else {
    recipe.target_size_mb = 0;
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<Recipe> ResolvePolicies(Recipe recipe) {
  LWQ_RETURN_IF_ERROR(CheckGrouping(recipe));
  LWQ_RETURN_IF_ERROR(ApplyAblation(recipe));
  LWQ_RETURN_IF_ERROR(CheckPolicies(recipe));
  return recipe;
}

bool IsOptimal(const Recipe& policies) {
  return policies.use_mixed_precision && policies.mpq_strategy == MpqStrategy::kOptimal;
}

bool NeedsScores(const Recipe& policies) {
  return policies.layer_ordering == LayerOrdering::kSensitivity || GroupsSimilarBlocks(policies) ||
         policies.adaptive_epochs || policies.adaptive_lr_scaling || policies.use_adaptive_training ||
         (policies.use_mixed_precision && !IsOptimal(policies));
}

bool Quantizes(const Recipe& recipe) {
  return TraitsOf(recipe.method).quantizes;
}

int64_t BlocksPerUnit(const Recipe& recipe) {
  return ParseBlockGrouping(recipe.block_grouping).value_or(kSimilarBlocks);
}

bool GroupsSimilarBlocks(const Recipe& recipe) {
  return BlocksPerUnit(recipe) == kSimilarBlocks;
}

int64_t MostBlocksInUnit(const Recipe& recipe, int64_t model_blocks) {
  const int64_t blocks = BlocksPerUnit(recipe);
  return std::clamp<int64_t>(blocks == kSimilarBlocks ? recipe.block_grouping_most : blocks, 1, model_blocks);
}

}  // namespace lwq::coordinator
