#include "coordinator/plan/plan.h"

#include <algorithm>

#include "coordinator/plan/memory.h"
#include "coordinator/plan/plan_blocks.h"
#include "coordinator/plan/policy_recipe.h"
#include "coordinator/plan/remarks.h"
#include "coordinator/plan/storage.h"

namespace lwq::coordinator {
namespace {

struct BlockStorage {
  int64_t stored_bytes = 0;
  int64_t index_bytes = 0;
};

BlockStorage StorageOfBlock(const LlamaConfig& model, std::string_view format, int bits, int64_t group_size) {
  BlockStorage sum;
  for (const LinearKind kind : kAllLinears) {
    const LinearStorage linear = StorageOf(format, ShapeOf(model, kind), bits, group_size);
    sum.stored_bytes += linear.stored_bytes;
    sum.index_bytes += linear.index_bytes;
  }
  return sum;
}

std::vector<TaskKind> KindsOf(const Recipe& recipe) {
  std::vector<TaskKind> kinds;
  if (recipe.method == "block_ap") kinds = {TaskKind::kEmbed, TaskKind::kAdvance, TaskKind::kTrainBlock};
  if (recipe.method == "rtn") kinds = {TaskKind::kRtnBlock};
  if (recipe.eval_ppl) kinds.push_back(TaskKind::kEvaluatePpl);
  if (recipe.export_format != "none") kinds.push_back(TaskKind::kExport);
  return kinds;
}

}  // namespace

StatusOr<Plan> MakePlan(const Recipe& recipe, const LlamaConfig* model, const std::vector<double>& scores) {
  Plan plan;
  if (recipe.method == "noop") return plan;
  LWQ_CHECK(model != nullptr, "a plan for method ", recipe.method, " needs a model");
  for (const TaskKind kind : KindsOf(recipe)) {
    plan.peak_memory_bytes = std::max(plan.peak_memory_bytes, TaskMemoryBytes(kind, *model, recipe));
  }
  if (recipe.method == "none") return plan;

  LWQ_ASSIGN_OR_RETURN(const PolicyOptions policies, ResolvePolicies(PoliciesOf(recipe)));
  if (NeedsScores(policies) && scores.empty()) {
    return absl::FailedPreconditionError(
        "recipe: its policies go by the blocks' sensitivity: give the scores with sensitivity_file");
  }
  PolicyInputs inputs;
  inputs.block_shapes = BlockShapesOf(*model);
  inputs.scores = scores;
  auto decided = PlanBlocks(policies, inputs);
  if (!decided.ok()) return Annotate(decided.status(), "recipe");
  plan.blocks = std::move(decided->blocks);
  plan.order.resize(plan.blocks.size());

  const bool trains = recipe.method == "block_ap";
  const double weights_per_block = static_cast<double>(BlockLinearParameters(*model));
  int64_t index_bytes = 0;
  double bits_sum = 0;
  for (BlockPlan& block : plan.blocks) {
    plan.order[static_cast<size_t>(block.position)] = block.layer_idx;
    if (trains) {
      block.steps = PlannedSteps(recipe, block.epochs);
      if (recipe.handoff == "relay") block.steps += PlannedSteps(recipe, recipe.relay_epochs);
    } else {
      block.epochs = block.quant_lr = block.zp_lr = block.weight_lr = block.patience = 0;
    }
    const BlockStorage storage = StorageOfBlock(*model, recipe.export_format, block.bit_width, block.group_size);
    block.stored_bits_per_weight = 8.0 * static_cast<double>(storage.stored_bytes) / weights_per_block;
    plan.quantized_bytes += storage.stored_bytes;
    index_bytes += storage.index_bytes;
    bits_sum += block.bit_width;
  }
  const double blocks = static_cast<double>(plan.blocks.size());
  plan.average_bits = bits_sum / blocks;
  plan.stored_bits_per_weight = 8.0 * static_cast<double>(plan.quantized_bytes) / (weights_per_block * blocks);
  if (recipe.export_format != "none") {
    plan.export_bytes = plan.quantized_bytes + index_bytes + UnquantizedBytes(*model);
  }
  plan.remarks = std::move(decided->remarks);
  for (std::string& remark : ServingRemarks(recipe, *model, plan.blocks)) plan.remarks.push_back(std::move(remark));
  return plan;
}

}  // namespace lwq::coordinator
