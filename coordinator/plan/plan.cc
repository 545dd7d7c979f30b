// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/plan.h"

#include <algorithm>

#include "coordinator/plan/cost/storage.h"
#include "coordinator/plan/cost/task_costs.h"
#include "coordinator/plan/plan_blocks.h"
#include "coordinator/plan/recipe/policies.h"
#include "coordinator/plan/recipe/recipe_defaults.h"
#include "coordinator/plan/recipe/run_kinds.h"
#include "coordinator/plan/recipe/sensitivity_choices.h"
#include "coordinator/plan/remarks.h"

namespace lwq::coordinator {
namespace {

struct BlockStorage {
  int64_t stored_bytes = 0;
  int64_t index_bytes = 0;
};

BlockStorage StorageOfBlock(const LlamaConfig& model, const Recipe& recipe, const BlockPlan& block) {
  BlockStorage sum;
  for (const LinearKind kind : kAllLinears) {
    const LinearStorage linear =
        StorageOf(recipe.export_format, ShapeOf(model, kind), block.bit_width, block.group_size, ZeroPointsOf(recipe));
    sum.stored_bytes += linear.stored_bytes;
    sum.index_bytes += linear.index_bytes;
  }
  return sum;
}

// What is settled whatever the sensitivity turns out to be.
Recipe WithoutSensitivity(Recipe policies) {
  if (policies.layer_ordering == LayerOrdering::kSensitivity) policies.layer_ordering = LayerOrdering::kOriginal;
  if (GroupsSimilarBlocks(policies)) policies.block_grouping = *ConstantDefaults().block_grouping;
  policies.reorder_every = 0;
  policies.adaptive_epochs = false;
  policies.adaptive_lr_scaling = false;
  policies.use_adaptive_training = false;
  policies.target_size_mb = 0;
  if (policies.use_mixed_precision) policies.serve = *ConstantDefaults().serve;  // widths are not known yet
  policies.use_mixed_precision = false;
  return policies;
}

// Knowledge as the policies take it. Requires that what they need is known.
PolicyInputs InputsOf(const ResolvedRecipe& resolved, const LlamaConfig& model, const PlanKnowledge& knowledge) {
  PolicyInputs inputs;
  inputs.block_shapes = BlockShapesOf(model);
  inputs.scores = knowledge.given_scores;
  inputs.other_file_bytes = UnquantizedBytes(model);
  auto reordered = knowledge.measurements.begin();
  if (resolved.measures_first && reordered != knowledge.measurements.end()) {
    const Measurement& first = *reordered++;
    if (inputs.scores.empty()) inputs.scores = PolicyScores(first);
    inputs.table = first.table;
    inputs.squared_error = first.squared_error;
  }
  for (; reordered != knowledge.measurements.end(); ++reordered) {
    inputs.reordered_scores.push_back(PolicyScores(*reordered));
  }
  return inputs;
}

// Whether any table of losses could lead to a plan: the budget holds the smallest one, the format some of the choices.
Status CheckBudgetOfOptimal(const Recipe& policies, PolicyInputs inputs) {
  Recipe only_widths = WithoutSensitivity(policies);
  only_widths.use_mixed_precision = true;
  only_widths.serve = policies.serve;
  only_widths.mpq_strategy = policies.mpq_strategy;
  only_widths.target_size_mb = policies.target_size_mb;
  LWQ_ASSIGN_OR_RETURN(std::vector<QuantChoice> choices, SensitivityChoices(policies));
  const std::vector<double> no_loss(choices.size(), 0);
  inputs.table = ScoreTable{std::move(choices), std::vector<std::vector<double>>(inputs.block_shapes.size(), no_loss)};
  return PlanBlocks(only_widths, inputs).status();
}

// A curvature or a rise of the loss that came out below 0: policies take it as 0, and the plan says so.
void RemarkOnNegatives(const PlanKnowledge& knowledge, Plan& plan) {
  for (const Measurement& measurement : knowledge.measurements) {
    for (size_t block = 0; block < measurement.scores.size(); ++block) {
      if (measurement.scores[block] >= 0) continue;
      plan.remarks.push_back(absl::StrCat("the sensitivity of block ", block, " was measured as ",
                                          measurement.scores[block], " (", MetricWord(measurement), "): taken as 0"));
    }
  }
}

// Bytes and bits of the chosen widths, and optimizer steps.
void AddTotals(const Recipe& recipe, const LlamaConfig& model, Plan& plan) {
  const double weights_per_block = static_cast<double>(BlockLinearParameters(model));
  int64_t index_bytes = 0;
  double bits_sum = 0;
  for (BlockPlan& block : plan.blocks) {
    if (TraitsOf(recipe.method).trains && !block.is_frozen()) {
      block.steps = PlannedSteps(recipe, block.epochs);
      if (recipe.handoff == Handoff::kRelay) block.steps += PlannedSteps(recipe, recipe.relay_epochs);
    } else if (TraitsOf(recipe.method).trains) {
      block.epochs = 0;
    } else {
      block.epochs = block.quant_lr = block.zp_lr = block.weight_lr = block.patience = 0;
    }
    const BlockStorage storage = StorageOfBlock(model, recipe, block);
    block.stored_bits_per_weight = 8.0 * static_cast<double>(storage.stored_bytes) / weights_per_block;
    plan.quantized_bytes += storage.stored_bytes;
    index_bytes += storage.index_bytes;
    bits_sum += block.bit_width;
  }
  const int64_t blocks = static_cast<int64_t>(plan.blocks.size());
  plan.quantized_weights = BlockLinearParameters(model) * blocks;
  plan.average_bits = bits_sum / static_cast<double>(blocks);
  plan.stored_bits_per_weight =
      8.0 * static_cast<double>(plan.quantized_bytes) / static_cast<double>(plan.quantized_weights);
  if (recipe.export_format != ExportFormat::kNone) {
    plan.export_bytes = plan.quantized_bytes + index_bytes + UnquantizedBytes(model);
  }
}

}  // namespace

StatusOr<Plan> MakePlan(const ResolvedRecipe& resolved, const LlamaConfig* model, const PlanKnowledge& knowledge) {
  const Recipe& recipe = resolved.fields;
  Plan plan;
  if (recipe.method == Method::kNoop) return plan;
  LWQ_CHECK(model != nullptr, "a plan for method ", WordOf(recipe.method), " needs a model");
  for (const TaskKind kind : KindsOfRun(resolved, {.texts = true, .tasks = knowledge.has_eval_tasks})) {
    plan.peak_memory_bytes = std::max(plan.peak_memory_bytes, TaskMemoryBytes(kind, *model, recipe));
  }
  plan.provisional = resolved.measures_first && knowledge.measurements.empty();
  if (!Quantizes(recipe)) return plan;

  Recipe policies = resolved.policies;
  const PolicyInputs inputs = InputsOf(resolved, *model, knowledge);
  if (plan.provisional) {
    if (IsOptimal(policies)) LWQ_RETURN_IF_ERROR(Annotate(CheckBudgetOfOptimal(policies, inputs), "recipe"));
    policies = WithoutSensitivity(std::move(policies));
  }
  StatusOr<PolicyPlan> decided = PlanBlocks(policies, inputs);
  if (!decided.ok()) return Annotate(decided.status(), "recipe");
  plan.blocks = std::move(decided->blocks);
  plan.units = std::move(decided->units);
  plan.order = std::move(decided->order);
  plan.allocation = std::move(decided->allocation);
  plan.remarks = std::move(decided->remarks);
  plan.scores = inputs.scores;
  RemarkOnNegatives(knowledge, plan);
  AddTotals(recipe, *model, plan);
  for (std::string& remark : ServingRemarks(recipe, *model, plan.blocks)) plan.remarks.push_back(std::move(remark));
  return plan;
}

StatusOr<Plan> MakePlan(const Recipe& recipe, const LlamaConfig* model, const PlanKnowledge& knowledge) {
  return MakePlan(WithPolicies(recipe, !knowledge.given_scores.empty()), model, knowledge);
}

}  // namespace lwq::coordinator
