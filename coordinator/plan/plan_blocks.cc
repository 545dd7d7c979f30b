// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/plan_blocks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "coordinator/plan/cost/storage.h"
#include "coordinator/plan/policy/mixed_precision.h"
#include "coordinator/plan/policy/scores.h"
#include "coordinator/plan/policy/training_policy.h"
#include "coordinator/plan/recipe/block_bits.h"
#include "coordinator/plan/recipe/policies.h"
#include "coordinator/plan/recipe/serve.h"

namespace lwq::coordinator {
namespace {

constexpr double kBytesPerMegabyte = 1e6;
constexpr int64_t kBitsPerByte = 8;

int64_t WeightsOf(const std::vector<LinearShape>& linears) {
  int64_t weights = 0;
  for (const LinearShape& linear : linears) weights += linear.in_features * linear.out_features;
  return weights;
}

int64_t StoredBitsOf(const std::vector<LinearShape>& linears, const Recipe& policies, const QuantChoice& choice) {
  int64_t bytes = 0;
  for (const LinearShape& linear : linears) {
    bytes +=
        StorageOf(policies.export_format, linear, choice.bits, choice.group_size, ZeroPointsOf(policies)).stored_bytes;
  }
  return bytes * kBitsPerByte;
}

bool GroupsDivide(const std::vector<LinearShape>& linears, int64_t group_size) {
  if (group_size == -1) return true;
  return group_size >= 1 && std::all_of(linears.begin(), linears.end(), [&](const LinearShape& linear) {
           return linear.in_features % group_size == 0;
         });
}

// Whether groups of the size, or whole rows, are such as the format stores.
bool FormatHoldsGroups(const std::vector<LinearShape>& linears, ExportFormat format, int64_t group_size) {
  const int64_t multiple = TraitsOf(format).group_multiple;
  return std::all_of(linears.begin(), linears.end(), [&](const LinearShape& linear) {
    return (group_size == -1 ? linear.in_features : group_size) % multiple == 0;
  });
}

// One score per block: the scalar metric's, else the table's column at (wbits, group_size). Empty where no policy asks.
StatusOr<std::vector<double>> ScoresForPolicies(const Recipe& policies, const PolicyInputs& inputs) {
  if (!NeedsScores(policies)) return std::vector<double>();
  std::vector<double> scores = inputs.scores;
  if (scores.empty() && inputs.table.has_value()) {
    LWQ_ASSIGN_OR_RETURN(scores, ScoresAt(*inputs.table, {policies.wbits, policies.group_size}));
  }
  LWQ_RETURN_IF_ERROR(CheckScores(scores));
  if (scores.size() != inputs.block_shapes.size()) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", scores.size(), " sensitivity scores for a model of ",
                                                   inputs.block_shapes.size(), " blocks"));
  }
  if (policies.policy_semantics == PolicySemantics::kAuthor) {
    const auto most = std::max_element(scores.begin(), scores.end());
    if (*most > std::numeric_limits<float>::max()) {
      return absl::InvalidArgumentError(absl::StrCat("the sensitivity score of block ", most - scores.begin(), " is ",
                                                     *most, ": policy_semantics author computes in float32"));
    }
  }
  return scores;
}

Status CheckInputs(const PolicyInputs& inputs) {
  if (inputs.block_shapes.empty()) return absl::InvalidArgumentError("the model has no block to plan");
  for (const auto* table : {&inputs.table, &inputs.squared_error}) {
    if (!table->has_value()) continue;
    LWQ_RETURN_IF_ERROR(CheckTable(**table));
    if ((*table)->loss.size() != inputs.block_shapes.size()) {
      return absl::InvalidArgumentError(absl::StrCat("the score table has ", (*table)->loss.size(),
                                                     " blocks, the model ", inputs.block_shapes.size()));
    }
  }
  return absl::OkStatus();
}

std::vector<TrainingUnit> UnitsFor(const Recipe& policies, int64_t blocks, const std::vector<double>& scores) {
  if (GroupsSimilarBlocks(policies)) {
    return GroupSimilar(scores, policies.block_grouping_factor, policies.block_grouping_most);
  }
  return GroupConsecutive(blocks, scores, BlocksPerUnit(policies));
}

std::vector<double> ScoresOfUnits(const std::vector<TrainingUnit>& units) {
  std::vector<double> scores;
  scores.reserve(units.size());
  for (const TrainingUnit& unit : units) scores.push_back(unit.score);
  return scores;
}

// Walks along the order and applies each measurement that is known where it fell due.
StatusOr<std::vector<int64_t>> OrderFor(const Recipe& policies, const PolicyInputs& inputs,
                                        const std::vector<TrainingUnit>& units) {
  const int64_t count = static_cast<int64_t>(units.size());
  if (policies.layer_ordering == LayerOrdering::kOriginal) return OriginalOrder(count);
  if (policies.layer_ordering == LayerOrdering::kRandom) {
    return RandomOrder(count, static_cast<uint64_t>(policies.seed));
  }
  std::vector<int64_t> order = SensitivityOrder(ScoresOfUnits(units));
  size_t used = 0;
  int64_t since_last = 0;
  for (int64_t trained = 1; trained < count && policies.reorder_every > 0; ++trained) {
    since_last += units[static_cast<size_t>(order[static_cast<size_t>(trained - 1)])].block_count;
    if (since_last < policies.reorder_every) continue;
    since_last = 0;
    if (used == inputs.reordered_scores.size()) break;
    const std::vector<double>& scores = inputs.reordered_scores[used++];
    if (scores.size() != inputs.block_shapes.size()) {
      return absl::InvalidArgumentError(absl::StrCat("measurement ", used, " of reorder_every has ", scores.size(),
                                                     " scores for ", inputs.block_shapes.size(), " blocks"));
    }
    LWQ_ASSIGN_OR_RETURN(order, ReorderRemaining(std::move(order), trained, UnitScores(units, scores)));
  }
  if (used < inputs.reordered_scores.size()) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", inputs.reordered_scores.size(),
                                                   " measurements of reorder_every; the order has use for ", used));
  }
  return order;
}

// Bits and group sizes by MPQ's maps and greedy.
void AllocateByScore(const Recipe& policies, const std::vector<double>& scores, std::vector<QuantChoice>& choices,
                     PolicyPlan& plan) {
  const bool author = policies.policy_semantics == PolicySemantics::kAuthor;
  std::vector<int> bits = author ? WidthsByScore(policies.mpq_strategy, AuthorRatios(scores))
                                 : WidthsByScore(policies.mpq_strategy, Ratios(scores));
  if (policies.mpq_strategy == MpqStrategy::kAdaptive || policies.keep_budget) {
    GreedyResult greedy = GreedyToTarget(std::move(bits), scores, policies.target_avg_bits);
    bits = std::move(greedy.bits);
    if (!greedy.reached) plan.remarks.push_back(greedy.remark);
  }
  for (size_t i = 0; i < bits.size(); ++i) choices[i].bits = bits[i];
  if (policies.mpq_group_size != MpqGroupSize::kByScore) return;
  const std::vector<int64_t> groups =
      author ? GroupSizesByScore(AuthorRatios(scores)) : GroupSizesByScore(Ratios(scores));
  for (size_t i = 0; i < groups.size(); ++i) choices[i].group_size = groups[i];
}

// The loss of every choice: the table metric's, else what the scalar metric says of the quantization errors.
StatusOr<ScoreTable> LossTable(const PolicyInputs& inputs, PolicyPlan& plan) {
  if (inputs.table.has_value()) return *inputs.table;
  if (inputs.scores.empty() || !inputs.squared_error.has_value()) {
    return absl::InvalidArgumentError(
        "mpq_strategy optimal needs a table over bits and group sizes: measure a table metric (loss_delta, "
        "output_fisher, pilot), or give a scalar metric's scores and the quantization errors");
  }
  LWQ_RETURN_IF_ERROR(CheckScores(inputs.scores));
  std::vector<int64_t> parameters;
  for (const std::vector<LinearShape>& linears : inputs.block_shapes) parameters.push_back(WeightsOf(linears));
  plan.remarks.push_back("optimal's table is made from a scalar metric: score/2 per parameter x squared weight error");
  return TableFromScores(inputs.scores, parameters, *inputs.squared_error);
}

// Budget in stored bits.
int64_t BudgetFor(const Recipe& policies, const PolicyInputs& inputs) {
  int64_t weights = 0;
  int64_t index_bytes = 0;
  for (const std::vector<LinearShape>& linears : inputs.block_shapes) {
    weights += WeightsOf(linears);
    // The index does not depend on the width; every format holds 4 bits.
    for (const LinearShape& linear : linears)
      index_bytes += StorageOf(policies.export_format, linear, 4, -1, ZeroPointsOf(policies)).index_bytes;
  }
  if (policies.target_size_mb == 0) {
    // Rounded to a whole bit, so that "the stored bits per weight of that plan" is that plan's budget exactly.
    return std::llround(policies.target_avg_bits * static_cast<double>(weights));
  }
  const int64_t bytes = static_cast<int64_t>(std::floor(policies.target_size_mb * kBytesPerMegabyte));
  return (bytes - inputs.other_file_bytes - index_bytes) * kBitsPerByte;
}

// What programs see of such blocks.
ServedModel ServedModelOf(const Recipe& policies, const std::vector<QuantChoice>& choices) {
  ServedModel model;
  for (const QuantChoice& choice : choices) {
    model.widths.insert(choice.bits);
    model.group_sizes.insert(choice.group_size);
  }
  model.zero_points = ZeroPointsOf(policies);
  return model;
}

// Which choices of the table each block may take, in the table's order.
struct HeldChoices {
  AllocationProblem problem;
  std::vector<std::vector<QuantChoice>> held;
};

// Of one width beside others: the mixture that any plan with this choice may be.
bool LoadsInMixture(const Recipe& policies, const QuantChoice& choice, int64_t other_group) {
  ServedModel model = ServedModelOf(policies, {choice});
  if (other_group != choice.group_size) model.group_sizes.insert(other_group);
  return CheckServed(policies.serve, policies.export_format, model).ok();
}

StatusOr<HeldChoices> ChoicesHeld(const Recipe& policies, const PolicyInputs& inputs, const ScoreTable& table) {
  HeldChoices choices{AllocationProblem(inputs.block_shapes.size()), {}};
  choices.held.resize(inputs.block_shapes.size());
  // A group size that none has makes the model one whose blocks differ.
  const int64_t another_group = table.choices.size() > 1 ? 0 : table.choices.front().group_size;
  for (size_t block = 0; block < choices.problem.size(); ++block) {
    const std::vector<LinearShape>& linears = inputs.block_shapes[block];
    for (size_t i = 0; i < table.choices.size(); ++i) {
      const QuantChoice& choice = table.choices[i];
      const bool width = std::find(std::begin(kWidths), std::end(kWidths), choice.bits) != std::end(kWidths);
      if (!width || !FormatHolds(policies.export_format, choice.bits, ZeroPointsOf(policies)) ||
          !GroupsDivide(linears, choice.group_size) ||
          !FormatHoldsGroups(linears, policies.export_format, choice.group_size) ||
          !LoadsInMixture(policies, choice, another_group)) {
        continue;
      }
      choices.held[block].push_back(choice);
      choices.problem[block].push_back({StoredBitsOf(linears, policies, choice), table.loss[block][i]});
    }
    if (choices.held[block].empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("no choice of the score table fits block ", block, ": export_format ",
                       WordOf(policies.export_format), " must hold the bits, the group size divide every linear",
                       policies.serve == kNobody
                           ? ""
                           : absl::StrCat(", and all programs of serve (", policies.serve, ") load it beside others")));
    }
  }
  return choices;
}

// "serve vllm costs: …": the plan beside the one without serve, of the same budget.
std::string CostOfServing(const Recipe& policies, const LossPoint& chosen, const LossPoint& free) {
  const auto text = [](const LossPoint& point) {
    return absl::StrCat("predicted loss ", point.loss, " in ", static_cast<double>(point.stored_bits) / 8e6, " MB");
  };
  return absl::StrCat("serve ", policies.serve, ": ", text(chosen), "; the free plan has ", text(free));
}

Status AllocateExactly(const Recipe& policies, const PolicyInputs& inputs, std::vector<QuantChoice>& choices,
                       PolicyPlan& plan) {
  LWQ_ASSIGN_OR_RETURN(const ScoreTable table, LossTable(inputs, plan));
  LWQ_ASSIGN_OR_RETURN(const HeldChoices allowed, ChoicesHeld(policies, inputs, table));
  const int64_t budget = BudgetFor(policies, inputs);
  const auto allocate = [&](const AllocationProblem& problem) -> StatusOr<OptimalAllocation> {
    StatusOr<OptimalAllocation> allocation = AllocateOptimally(problem, budget);
    if (allocation.ok()) return allocation;
    return Annotate(allocation.status(), policies.target_size_mb > 0 ? "target_size_mb" : "target_avg_bits");
  };
  LWQ_ASSIGN_OR_RETURN(OptimalAllocation allocation, allocate(allowed.problem));
  for (size_t block = 0; block < choices.size(); ++block) {
    choices[block] = allowed.held[block][static_cast<size_t>(allocation.options[block])];
  }
  plan.remarks.push_back(allocation.certificate.ToString());
  if (policies.serve != kNobody) {
    Recipe free = policies;
    free.serve = kNobody;
    LWQ_ASSIGN_OR_RETURN(const HeldChoices all, ChoicesHeld(free, inputs, table));
    LWQ_ASSIGN_OR_RETURN(const OptimalAllocation unconstrained, allocate(all.problem));
    plan.remarks.push_back(CostOfServing(policies, allocation.certificate.chosen, unconstrained.certificate.chosen));
  }
  plan.allocation = std::move(allocation);
  return absl::OkStatus();
}

Status CheckStorable(const Recipe& policies, const PolicyInputs& inputs, const std::vector<QuantChoice>& choices) {
  for (size_t block = 0; block < choices.size(); ++block) {
    const QuantChoice& choice = choices[block];
    if (!FormatHolds(policies.export_format, choice.bits, ZeroPointsOf(policies))) {
      return absl::FailedPreconditionError(absl::StrCat(
          "block ", block, " gets ", choice.bits, " bits, which export_format ", WordOf(policies.export_format),
          " cannot hold; ", FormatsThatHold(choice.bits, /*files=*/false, ZeroPointsOf(policies)), " can"));
    }
    if (!GroupsDivide(inputs.block_shapes[block], choice.group_size)) {
      return absl::InvalidArgumentError(absl::StrCat("block ", block, " gets group_size ", choice.group_size,
                                                     ", which does not divide the inputs of all its linears"));
    }
    if (!FormatHoldsGroups(inputs.block_shapes[block], policies.export_format, choice.group_size)) {
      return absl::FailedPreconditionError(absl::StrCat("block ", block, " gets group_size ", choice.group_size,
                                                        ", and export_format ", WordOf(policies.export_format),
                                                        " holds groups that are multiples of ",
                                                        TraitsOf(policies.export_format).group_multiple));
    }
  }
  return absl::OkStatus();
}

std::vector<double> BitsOfUnits(const std::vector<TrainingUnit>& units, const std::vector<QuantChoice>& choices) {
  std::vector<double> bits;
  for (const TrainingUnit& unit : units) {
    int64_t sum = 0;
    for (int64_t i = 0; i < unit.block_count; ++i) sum += choices[static_cast<size_t>(unit.first_block + i)].bits;
    bits.push_back(static_cast<double>(sum) / static_cast<double>(unit.block_count));
  }
  return bits;
}

std::vector<TrainingSettings> SettingsFor(const Recipe& policies, const std::vector<TrainingUnit>& units,
                                          const std::vector<QuantChoice>& choices) {
  const bool author = policies.policy_semantics == PolicySemantics::kAuthor;
  const bool joint = policies.use_adaptive_training && policies.use_mixed_precision;
  const std::vector<double> scores = ScoresOfUnits(units);
  std::vector<TrainingSettings> settings(units.size(), {.epochs = policies.epochs,
                                                        .quant_lr = policies.quant_lr,
                                                        .zp_lr = policies.zp_lr,
                                                        .weight_lr = policies.weight_lr,
                                                        .patience = policies.early_stop});
  if (policies.adaptive_epochs) {
    author ? ApplyAdaptiveEpochsOfAuthor(AuthorRatios(scores), settings)
           : ApplyAdaptiveEpochs(Ratios(scores), settings);
  }
  if (policies.adaptive_lr_scaling) {
    ApplyAdaptiveLearningRates(NormalizedScores(scores, policies.adaptive_lr_normalization), settings);
  }
  if (policies.use_adaptive_training) {
    author ? ApplySgraOfAuthor(AuthorRatios(scores), settings) : ApplySgra(Ratios(scores), settings);
  }
  if (joint) {
    const std::vector<double> bits = BitsOfUnits(units, choices);
    author ? ApplyJointOfAuthor(bits, settings) : ApplyJoint(bits, settings);
  }
  return settings;
}

void FillBlocks(const Recipe& policies, const PolicyInputs& inputs, const std::vector<QuantChoice>& choices,
                PolicyPlan& plan) {
  const std::vector<TrainingSettings> settings = SettingsFor(policies, plan.units, choices);
  plan.blocks.resize(choices.size());
  for (size_t position = 0; position < plan.order.size(); ++position) {
    const size_t unit_index = static_cast<size_t>(plan.order[position]);
    const TrainingUnit& unit = plan.units[unit_index];
    const TrainingSettings& training = settings[unit_index];
    for (int64_t layer = unit.first_block; layer < unit.first_block + unit.block_count; ++layer) {
      const size_t i = static_cast<size_t>(layer);
      const int64_t stored = StoredBitsOf(inputs.block_shapes[i], policies, choices[i]);
      plan.stored_bits += stored;
      plan.average_bits += choices[i].bits;
      BlockPlan& block = plan.blocks[i];
      block.layer_idx = layer;
      block.bit_width = choices[i].bits;
      block.group_size = choices[i].group_size;
      block.epochs = training.epochs;
      block.quant_lr = training.quant_lr;
      block.zp_lr = training.zp_lr;
      block.weight_lr = training.weight_lr;
      block.patience = training.patience;
      block.position = static_cast<int64_t>(position);
      block.stored_bits_per_weight =
          static_cast<double>(stored) / static_cast<double>(WeightsOf(inputs.block_shapes[i]));
    }
  }
  plan.average_bits /= static_cast<double>(choices.size());
}

Status TakeGivenBits(const Recipe& policies, std::vector<QuantChoice>& choices) {
  LWQ_ASSIGN_OR_RETURN(const auto bits_of, ParseBlockBits(policies.block_bits));
  for (const auto& [layer, bits] : bits_of) {
    if (layer >= static_cast<int64_t>(choices.size())) {
      return absl::InvalidArgumentError(absl::StrCat("block_bits has block ", layer, ", but the model has ",
                                                     choices.size(), " blocks, the last is ", choices.size() - 1));
    }
    choices[static_cast<size_t>(layer)].bits = bits;
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<PolicyPlan> PlanBlocks(const Recipe& policies, const PolicyInputs& inputs) {
  LWQ_RETURN_IF_ERROR(CheckInputs(inputs));
  LWQ_ASSIGN_OR_RETURN(const std::vector<double> scores, ScoresForPolicies(policies, inputs));

  PolicyPlan plan;
  std::vector<QuantChoice> choices(inputs.block_shapes.size(), {policies.wbits, policies.group_size});
  if (IsOptimal(policies)) {
    LWQ_RETURN_IF_ERROR(AllocateExactly(policies, inputs, choices, plan));
  } else if (policies.use_mixed_precision) {
    AllocateByScore(policies, scores, choices, plan);
  } else {
    LWQ_RETURN_IF_ERROR(TakeGivenBits(policies, choices));
  }
  LWQ_RETURN_IF_ERROR(CheckStorable(policies, inputs, choices));
  LWQ_RETURN_IF_ERROR(CheckServed(policies.serve, policies.export_format, ServedModelOf(policies, choices)));
  plan.units = UnitsFor(policies, static_cast<int64_t>(inputs.block_shapes.size()), scores);
  LWQ_ASSIGN_OR_RETURN(plan.order, OrderFor(policies, inputs, plan.units));
  FillBlocks(policies, inputs, choices, plan);
  return plan;
}

std::vector<std::vector<LinearShape>> BlockShapesOf(const LlamaConfig& config) {
  std::vector<LinearShape> linears;
  for (const LinearKind kind : kAllLinears) linears.push_back(ShapeOf(config, kind));
  return std::vector<std::vector<LinearShape>>(static_cast<size_t>(config.num_hidden_layers), linears);
}

}  // namespace lwq::coordinator
