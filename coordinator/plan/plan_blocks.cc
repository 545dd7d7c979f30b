#include "coordinator/plan/plan_blocks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "coordinator/plan/mixed_precision.h"
#include "coordinator/plan/scores.h"
#include "coordinator/plan/storage.h"
#include "coordinator/plan/training_policy.h"

namespace lwq::coordinator {
namespace {

constexpr double kBytesPerMegabyte = 1e6;
constexpr int64_t kBitsPerByte = 8;

int64_t WeightsOf(const std::vector<LinearShape>& linears) {
  int64_t weights = 0;
  for (const LinearShape& linear : linears) weights += linear.in_features * linear.out_features;
  return weights;
}

int64_t StoredBitsOf(const std::vector<LinearShape>& linears, const std::string& format, const QuantChoice& choice) {
  int64_t bytes = 0;
  for (const LinearShape& linear : linears) {
    bytes += StorageOf(format, linear, choice.bits, choice.group_size).stored_bytes;
  }
  return bytes * kBitsPerByte;
}

bool GroupsDivide(const std::vector<LinearShape>& linears, int64_t group_size) {
  if (group_size == -1) return true;
  return group_size >= 1 && std::all_of(linears.begin(), linears.end(), [&](const LinearShape& linear) {
           return linear.in_features % group_size == 0;
         });
}

// One score per block: the scalar metric's, else the table's column at (wbits, group_size). Empty where no policy asks.
StatusOr<std::vector<double>> ScoresForPolicies(const PolicyOptions& options, const PolicyInputs& inputs) {
  if (!NeedsScores(options)) return std::vector<double>();
  std::vector<double> scores = inputs.scores;
  if (scores.empty() && inputs.table.has_value()) {
    LWQ_ASSIGN_OR_RETURN(scores, ScoresAt(*inputs.table, {options.wbits, options.group_size}));
  }
  LWQ_RETURN_IF_ERROR(CheckScores(scores));
  if (scores.size() != inputs.block_shapes.size()) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", scores.size(), " sensitivity scores for a model of ",
                                                   inputs.block_shapes.size(), " blocks"));
  }
  if (options.policy_semantics == "author") {
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

std::vector<TrainingUnit> UnitsFor(const PolicyOptions& options, int64_t blocks, const std::vector<double>& scores) {
  if (options.block_grouping == "similar") {
    return GroupSimilar(scores, options.block_grouping_factor, options.block_grouping_most);
  }
  return GroupConsecutive(blocks, scores, BlocksPerUnit(options));
}

std::vector<double> ScoresOfUnits(const std::vector<TrainingUnit>& units) {
  std::vector<double> scores;
  for (const TrainingUnit& unit : units) scores.push_back(unit.score);
  return scores;
}

// Walks along the order and applies each measurement that is known where it fell due.
StatusOr<std::vector<int64_t>> OrderFor(const PolicyOptions& options, const PolicyInputs& inputs,
                                        const std::vector<TrainingUnit>& units) {
  const int64_t count = static_cast<int64_t>(units.size());
  if (options.layer_ordering == "original") return OriginalOrder(count);
  if (options.layer_ordering == "random") return RandomOrder(count, static_cast<uint64_t>(options.seed));
  std::vector<int64_t> order = SensitivityOrder(ScoresOfUnits(units));
  size_t used = 0;
  int64_t since_last = 0;
  for (int64_t trained = 1; trained < count && options.reorder_every > 0; ++trained) {
    since_last += units[static_cast<size_t>(order[static_cast<size_t>(trained - 1)])].block_count;
    if (since_last < options.reorder_every) continue;
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
void AllocateByScore(const PolicyOptions& options, const std::vector<double>& scores, std::vector<QuantChoice>& choices,
                     PolicyPlan& plan) {
  const bool author = options.policy_semantics == "author";
  std::vector<int> bits = author ? WidthsByScore(options.mpq_strategy, AuthorRatios(scores))
                                 : WidthsByScore(options.mpq_strategy, Ratios(scores));
  if (options.mpq_strategy == "adaptive" || *options.keep_budget) {
    GreedyResult greedy = GreedyToTarget(std::move(bits), scores, *options.target_avg_bits);
    bits = std::move(greedy.bits);
    if (!greedy.reached) plan.remarks.push_back(greedy.remark);
  }
  for (size_t i = 0; i < bits.size(); ++i) choices[i].bits = bits[i];
  if (options.mpq_group_size != "by_score") return;
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
int64_t BudgetFor(const PolicyOptions& options, const PolicyInputs& inputs) {
  int64_t weights = 0;
  int64_t index_bytes = 0;
  for (const std::vector<LinearShape>& linears : inputs.block_shapes) {
    weights += WeightsOf(linears);
    // The index does not depend on the width; 2 bits and 8 bits are held by every format.
    for (const LinearShape& linear : linears)
      index_bytes += StorageOf(options.export_format, linear, 8, -1).index_bytes;
  }
  if (!options.target_size_mb.has_value()) {
    // Rounded to a whole bit, so that "the stored bits per weight of that plan" is that plan's budget exactly.
    return std::llround(*options.target_avg_bits * static_cast<double>(weights));
  }
  const int64_t bytes = static_cast<int64_t>(std::floor(*options.target_size_mb * kBytesPerMegabyte));
  return (bytes - inputs.other_file_bytes - index_bytes) * kBitsPerByte;
}

Status AllocateExactly(const PolicyOptions& options, const PolicyInputs& inputs, std::vector<QuantChoice>& choices,
                       PolicyPlan& plan) {
  LWQ_ASSIGN_OR_RETURN(const ScoreTable table, LossTable(inputs, plan));
  AllocationProblem problem(inputs.block_shapes.size());
  std::vector<std::vector<QuantChoice>> held(inputs.block_shapes.size());
  for (size_t block = 0; block < problem.size(); ++block) {
    const std::vector<LinearShape>& linears = inputs.block_shapes[block];
    for (size_t i = 0; i < table.choices.size(); ++i) {
      const QuantChoice& choice = table.choices[i];
      const bool width = std::find(std::begin(kWidths), std::end(kWidths), choice.bits) != std::end(kWidths);
      if (!width || !FormatHolds(options.export_format, choice.bits) || !GroupsDivide(linears, choice.group_size)) {
        continue;
      }
      held[block].push_back(choice);
      problem[block].push_back({StoredBitsOf(linears, options.export_format, choice), table.loss[block][i]});
    }
    if (held[block].empty()) {
      return absl::FailedPreconditionError(absl::StrCat("no choice of the score table fits block ", block,
                                                        ": export_format ", options.export_format,
                                                        " must hold the bits, the group size divide every linear"));
    }
  }
  StatusOr<OptimalAllocation> allocation = AllocateOptimally(problem, BudgetFor(options, inputs));
  if (!allocation.ok()) {
    return Annotate(allocation.status(), options.target_size_mb.has_value() ? "target_size_mb" : "target_avg_bits");
  }
  for (size_t block = 0; block < problem.size(); ++block) {
    choices[block] = held[block][static_cast<size_t>(allocation->options[block])];
  }
  plan.remarks.push_back(allocation->certificate.ToString());
  plan.allocation = *std::move(allocation);
  return absl::OkStatus();
}

Status CheckStorable(const PolicyOptions& options, const PolicyInputs& inputs,
                     const std::vector<QuantChoice>& choices) {
  for (size_t block = 0; block < choices.size(); ++block) {
    const QuantChoice& choice = choices[block];
    if (!FormatHolds(options.export_format, choice.bits)) {
      return absl::FailedPreconditionError(absl::StrCat("block ", block, " gets ", choice.bits,
                                                        " bits, which export_format ", options.export_format,
                                                        " cannot hold; ", FormatsThatHold(choice.bits), " can"));
    }
    if (!GroupsDivide(inputs.block_shapes[block], choice.group_size)) {
      return absl::InvalidArgumentError(absl::StrCat("block ", block, " gets group_size ", choice.group_size,
                                                     ", which does not divide the inputs of all its linears"));
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

std::vector<TrainingSettings> SettingsFor(const PolicyOptions& options, const std::vector<TrainingUnit>& units,
                                          const std::vector<QuantChoice>& choices) {
  const bool author = options.policy_semantics == "author";
  const bool joint = options.use_adaptive_training && options.use_mixed_precision;
  const std::vector<double> scores = ScoresOfUnits(units);
  std::vector<TrainingSettings> settings(units.size(), {.epochs = options.epochs,
                                                        .quant_lr = options.quant_lr,
                                                        .zp_lr = options.zp_lr,
                                                        .weight_lr = options.weight_lr,
                                                        .patience = options.early_stop});
  if (options.adaptive_epochs) {
    author ? ApplyAdaptiveEpochsOfAuthor(AuthorRatios(scores), settings)
           : ApplyAdaptiveEpochs(Ratios(scores), settings);
  }
  if (options.adaptive_lr_scaling) {
    ApplyAdaptiveLearningRates(NormalizedScores(scores, options.adaptive_lr_normalization), settings);
  }
  if (options.use_adaptive_training) {
    author ? ApplySgraOfAuthor(AuthorRatios(scores), settings) : ApplySgra(Ratios(scores), settings);
  }
  if (joint) {
    const std::vector<double> bits = BitsOfUnits(units, choices);
    author ? ApplyJointOfAuthor(bits, settings) : ApplyJoint(bits, settings);
  }
  return settings;
}

void FillBlocks(const PolicyOptions& options, const PolicyInputs& inputs, const std::vector<QuantChoice>& choices,
                PolicyPlan& plan) {
  const std::vector<TrainingSettings> settings = SettingsFor(options, plan.units, choices);
  plan.blocks.resize(choices.size());
  for (size_t position = 0; position < plan.order.size(); ++position) {
    const size_t unit_index = static_cast<size_t>(plan.order[position]);
    const TrainingUnit& unit = plan.units[unit_index];
    const TrainingSettings& training = settings[unit_index];
    for (int64_t layer = unit.first_block; layer < unit.first_block + unit.block_count; ++layer) {
      const size_t i = static_cast<size_t>(layer);
      const int64_t stored = StoredBitsOf(inputs.block_shapes[i], options.export_format, choices[i]);
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

}  // namespace

StatusOr<PolicyPlan> PlanBlocks(const PolicyOptions& given, const PolicyInputs& inputs) {
  LWQ_ASSIGN_OR_RETURN(const PolicyOptions options, ResolvePolicies(given));
  LWQ_RETURN_IF_ERROR(CheckInputs(inputs));
  LWQ_ASSIGN_OR_RETURN(const std::vector<double> scores, ScoresForPolicies(options, inputs));

  PolicyPlan plan;
  std::vector<QuantChoice> choices(inputs.block_shapes.size(), {options.wbits, options.group_size});
  if (options.use_mixed_precision && options.mpq_strategy == "optimal") {
    LWQ_RETURN_IF_ERROR(AllocateExactly(options, inputs, choices, plan));
  } else if (options.use_mixed_precision) {
    AllocateByScore(options, scores, choices, plan);
  }
  LWQ_RETURN_IF_ERROR(CheckStorable(options, inputs, choices));
  plan.units = UnitsFor(options, static_cast<int64_t>(inputs.block_shapes.size()), scores);
  LWQ_ASSIGN_OR_RETURN(plan.order, OrderFor(options, inputs, plan.units));
  FillBlocks(options, inputs, choices, plan);
  return plan;
}

std::vector<std::vector<LinearShape>> BlockShapesOf(const LlamaConfig& config) {
  std::vector<LinearShape> linears;
  for (const LinearKind kind : kAllLinears) linears.push_back(ShapeOf(config, kind));
  return std::vector<std::vector<LinearShape>>(static_cast<size_t>(config.num_hidden_layers), linears);
}

}  // namespace lwq::coordinator
