#include "coordinator/plan/policy_recipe.h"

#include <algorithm>

namespace lwq::coordinator {

PolicyOptions PoliciesOf(const Recipe& recipe) {
  PolicyOptions options;
  options.wbits = recipe.wbits;
  options.group_size = recipe.group_size;
  options.epochs = recipe.epochs;
  options.quant_lr = recipe.quant_lr;
  options.zp_lr = recipe.zp_lr;
  options.weight_lr = recipe.weight_lr;
  options.early_stop = recipe.early_stop;
  options.seed = recipe.seed;
  options.export_format = recipe.export_format;
  options.layer_ordering = recipe.layer_ordering;
  options.reorder_every = recipe.reorder_every;
  options.block_grouping = recipe.block_grouping;
  options.block_grouping_factor = recipe.block_grouping_factor;
  options.block_grouping_most = recipe.block_grouping_most;
  options.adaptive_epochs = recipe.adaptive_epochs;
  options.adaptive_lr_scaling = recipe.adaptive_lr_scaling;
  options.adaptive_lr_normalization = recipe.adaptive_lr_normalization;
  options.use_adaptive_training = recipe.use_adaptive_training;
  options.use_mixed_precision = recipe.use_mixed_precision;
  options.target_avg_bits = recipe.target_avg_bits;
  options.mpq_strategy = recipe.mpq_strategy;
  options.keep_budget = recipe.keep_budget;
  options.mpq_group_size = recipe.mpq_group_size;
  if (recipe.target_size_mb > 0) options.target_size_mb = recipe.target_size_mb;
  options.ablation = recipe.ablation == "none" ? "" : recipe.ablation;
  options.policy_semantics = recipe.policy_semantics;
  return options;
}

PolicyOptions ResolvedPoliciesOf(const Recipe& recipe) {
  StatusOr<PolicyOptions> options = ResolvePolicies(PoliciesOf(recipe));
  LWQ_CHECK(options.ok(), "the recipe was resolved: ", MessageOf(options.status()));
  return *std::move(options);
}

bool IsOptimal(const PolicyOptions& options) {
  return options.use_mixed_precision && options.mpq_strategy == "optimal";
}

bool Quantizes(const Recipe& recipe) {
  return recipe.method == "block_ap" || recipe.method == "rtn";
}

int64_t MostBlocksInUnit(const Recipe& recipe, int64_t model_blocks) {
  PolicyOptions options;
  options.block_grouping = recipe.block_grouping;
  const int64_t blocks = BlocksPerUnit(options);
  return std::clamp<int64_t>(blocks == 0 ? recipe.block_grouping_most : blocks, 1, model_blocks);
}

}  // namespace lwq::coordinator
