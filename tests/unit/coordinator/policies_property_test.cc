// SPDX-License-Identifier: Apache-2.0
// Properties of the policies over random scores: ties, zeros, one block, a thousand blocks, sizes from 1e-6 to 1e6.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "coordinator/plan/plan_blocks.h"
#include "coordinator/plan/policy/mixed_precision.h"
#include "coordinator/plan/policy/scores.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/coordinator/policies.h"

namespace lwq::coordinator {
namespace {

using Vector = std::vector<double>;

double RandomScore(int kind) {
  if (kind == 0) return *rc::gen::inRange(0, 4);  // ties and zeros
  if (kind == 1) return *rc::gen::inRange(0, 1'000'000'000) / 1e9;
  return std::exp(*rc::gen::inRange(-14'000'000, 14'000'000) / 1e6);
}

size_t RandomBlockCount() {
  return static_cast<size_t>(*rc::gen::weightedOneOf<int>(
      {{6, rc::gen::inRange(1, 40)}, {1, rc::gen::just(1)}, {1, rc::gen::inRange(200, 1001)}}));
}

Vector RandomScores() {
  const int kind = *rc::gen::inRange(0, 3);
  Vector scores(RandomBlockCount());
  for (double& score : scores) score = RandomScore(kind);
  return scores;
}

// Pairwise different at single precision and without common ratios that the greedy could tie on.
Vector DifferentScores() {
  Vector scores(RandomBlockCount());
  const int64_t seed = *rc::gen::inRange<int64_t>(1, 1'000'000'000);
  for (size_t i = 0; i < scores.size(); ++i) {
    const double place = std::fmod(static_cast<double>(seed) * 0.6180339887498949 + std::sqrt(2.0) * (i + 1), 1.0);
    scores[i] = std::exp(6 * place - 3);
  }
  return scores;
}

std::vector<size_t> RandomPermutation(size_t count) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[*rc::gen::inRange<size_t>(0, i)]);
  return order;
}

std::string RandomStrategy() {
  return *rc::gen::element<std::string>("adaptive", "conservative", "aggressive");
}

double RandomTarget() {
  return *rc::gen::inRange(40, 161) / 20.0;
}

PolicyInputs InputsOf(const Vector& scores) {
  PolicyInputs inputs;
  inputs.block_shapes.assign(scores.size(), {{.out_features = 32, .in_features = 256}});
  inputs.scores = scores;
  return inputs;
}

// Losses rise with the score and fall with the bits; `noise` disturbs that.
ScoreTable RandomTable(const Vector& scores, bool noise) {
  ScoreTable table{.choices = {}, .loss = {}};
  for (const int bits : kWidths) {
    for (const int64_t group : {64, 128, 256}) table.choices.push_back({bits, group});
  }
  for (const double score : scores) {
    Vector row;
    for (const QuantChoice& choice : table.choices) {
      const double disturbed = noise ? *rc::gen::inRange(1, 1000) / 100.0 : 1;
      row.push_back(disturbed * score * std::pow(4, -choice.bits) * std::log2(static_cast<double>(choice.group_size)));
    }
    table.loss.push_back(row);
  }
  return table;
}

StatusOr<PolicyPlan> PlanOf(const PartialRecipe& options, const PolicyInputs& inputs) {
  LWQ_ASSIGN_OR_RETURN(const Recipe policies, testing::PoliciesOf(options));
  return PlanBlocks(policies, inputs);
}

PolicyPlan Planned(const PartialRecipe& options, const PolicyInputs& inputs) {
  StatusOr<PolicyPlan> plan = PlanOf(options, inputs);
  LWQ_CHECK(plan.ok(), plan.status().ToString());
  return *std::move(plan);
}

bool IsWidth(int bits) {
  return std::find(std::begin(kWidths), std::end(kWidths), bits) != std::end(kWidths);
}

double LossOf(const PolicyPlan& plan, const ScoreTable& table) {
  double loss = 0;
  for (const BlockPlan& block : plan.blocks) {
    loss += ScoresAt(table, {block.bit_width, block.group_size})->at(static_cast<size_t>(block.layer_idx));
  }
  return loss;
}

RC_GTEST_PROP(PoliciesProperty, BitsComeFromTheAllowedSetAndTheGreedyEndsWithinOneStepOfTheBudgetOrSaysWhy, ()) {
  const Vector scores = RandomScores();
  const double target = RandomTarget();
  PartialRecipe options{.use_mixed_precision = true, .target_avg_bits = target, .mpq_strategy = RandomStrategy()};
  options.policy_semantics = *rc::gen::element<std::string>("default", "author");
  options.keep_budget = true;
  const PolicyPlan plan = Planned(options, InputsOf(scores));
  for (const BlockPlan& block : plan.blocks) RC_ASSERT(IsWidth(block.bit_width));
  const double off = std::abs(plan.average_bits - target);
  if (off <= kBudgetTolerance) {
    RC_ASSERT(plan.remarks.empty());
    return;
  }
  // A change of width is at most two bits of one block.
  RC_ASSERT(plan.remarks.size() == 1u);
  RC_ASSERT(off <= 2.0 / static_cast<double>(scores.size()) + 1e-9 ||
            plan.remarks[0].find("no change of one width comes closer") != std::string::npos);
}

RC_GTEST_PROP(PoliciesProperty, MoreSensitiveNeverGetsLess, ()) {
  const Vector scores = DifferentScores();
  PartialRecipe options{.epochs = 4,
                        .layer_ordering = "sensitivity",
                        .adaptive_epochs = *rc::gen::arbitrary<bool>(),
                        .use_adaptive_training = true,
                        .use_mixed_precision = true,
                        .target_avg_bits = RandomTarget(),
                        .mpq_strategy = RandomStrategy(),
                        .keep_budget = *rc::gen::arbitrary<bool>(),
                        .mpq_group_size = "by_score"};
  const PolicyPlan plan = Planned(options, InputsOf(scores));
  for (size_t position = 1; position < plan.order.size(); ++position) {
    const BlockPlan& more = plan.blocks[static_cast<size_t>(plan.order[position - 1])];
    const BlockPlan& less = plan.blocks[static_cast<size_t>(plan.order[position])];
    RC_ASSERT(more.bit_width >= less.bit_width);
    RC_ASSERT(more.group_size <= less.group_size);
    RC_ASSERT(more.epochs >= less.epochs);
    RC_ASSERT(more.patience >= less.patience);
  }
}

RC_GTEST_PROP(PoliciesProperty, OptimalGivesMoreSensitiveBlocksNoFewerStoredBits, ()) {
  Vector scores = DifferentScores();
  scores.resize(std::min<size_t>(scores.size(), 24));
  PolicyInputs inputs = InputsOf(scores);
  inputs.table = RandomTable(scores, false);
  const PolicyPlan plan = Planned({.layer_ordering = "sensitivity",
                                   .use_mixed_precision = true,
                                   .target_avg_bits = *rc::gen::inRange(48, 160) / 20.0,
                                   .mpq_strategy = "optimal"},
                                  inputs);
  for (size_t position = 1; position < plan.order.size(); ++position) {
    RC_ASSERT(plan.blocks[static_cast<size_t>(plan.order[position - 1])].stored_bits_per_weight >=
              plan.blocks[static_cast<size_t>(plan.order[position])].stored_bits_per_weight);
  }
}

RC_GTEST_PROP(PoliciesProperty, RenumberingTheBlocksRenumbersThePlan, ()) {
  const Vector scores = DifferentScores();
  const std::vector<size_t> permutation = RandomPermutation(scores.size());
  Vector renumbered(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) renumbered[permutation[i]] = scores[i];
  const PartialRecipe options{.layer_ordering = "sensitivity",
                              .adaptive_epochs = true,
                              .use_adaptive_training = true,
                              .use_mixed_precision = true,
                              .target_avg_bits = RandomTarget(),
                              .mpq_strategy = RandomStrategy(),
                              .mpq_group_size = "by_score"};
  const PolicyPlan plan = Planned(options, InputsOf(scores));
  const PolicyPlan other = Planned(options, InputsOf(renumbered));
  for (size_t i = 0; i < scores.size(); ++i) {
    const BlockPlan& block = plan.blocks[i];
    const BlockPlan& same = other.blocks[permutation[i]];
    RC_ASSERT(block.bit_width == same.bit_width);
    RC_ASSERT(block.group_size == same.group_size);
    RC_ASSERT(block.epochs == same.epochs);
    RC_ASSERT(block.quant_lr == same.quant_lr);
    RC_ASSERT(block.patience == same.patience);
    RC_ASSERT(block.position == same.position);
  }
}

RC_GTEST_PROP(PoliciesProperty, OptimalAndTargetSizeNeverExceedTheirs, ()) {
  Vector scores = RandomScores();
  scores.resize(std::min<size_t>(scores.size(), 24));
  PolicyInputs inputs = InputsOf(scores);
  inputs.table = RandomTable(scores, true);
  inputs.other_file_bytes = *rc::gen::inRange(0, 100'000);
  PartialRecipe options{.use_mixed_precision = true, .mpq_strategy = "optimal"};
  options.export_format = *rc::gen::element<std::string>("none", "gptq_v2");
  options.target_avg_bits = *rc::gen::inRange(40, 160) / 20.0;
  const double weights = 32.0 * 256 * static_cast<double>(scores.size());
  const bool by_size = *rc::gen::arbitrary<bool>();
  const bool indexed = options.export_format == ExportFormat::kGptqV2;
  const double index = indexed ? 256.0 * 4 * static_cast<double>(scores.size()) : 0;
  const double other = static_cast<double>(inputs.other_file_bytes) + index;
  if (by_size) options.target_size_mb = (other + *options.target_avg_bits * weights / 8) / 1e6;
  const StatusOr<PolicyPlan> plan = PlanOf(options, inputs);
  if (!plan.ok()) {
    // 2 bits in groups of 256 are 2 + 18/256 stored bits: below that nothing fits.
    RC_ASSERT(plan.status().code() == absl::StatusCode::kFailedPrecondition);
    RC_ASSERT(*options.target_avg_bits < 2 + 18.0 / 256 + 1e-3);
    return;
  }
  const double stored = static_cast<double>(plan->stored_bits);
  if (by_size) {
    RC_ASSERT(stored / 8 + other <= *options.target_size_mb * 1e6);
  } else {
    RC_ASSERT(stored <= *options.target_avg_bits * weights + 0.5);
  }
  RC_ASSERT(plan->allocation->certificate.lagrangian.loss <= LossOf(*plan, *inputs.table) * (1 + 1e-9) + 1e-12);
}

RC_GTEST_PROP(PoliciesProperty, OnTheSameTableOptimalIsNeverWorseThanAnyStrategyAtItsStoredBits, ()) {
  Vector scores = RandomScores();
  scores.resize(std::min<size_t>(scores.size(), 32));
  PolicyInputs inputs = InputsOf(scores);
  inputs.table = RandomTable(scores, *rc::gen::arbitrary<bool>());
  PartialRecipe options{.use_mixed_precision = *rc::gen::weightedElement<bool>({{5, true}, {1, false}}),
                        .target_avg_bits = RandomTarget(),
                        .mpq_strategy = RandomStrategy()};
  options.wbits = *rc::gen::element(2, 3, 4, 5, 6, 8);
  options.mpq_group_size = *rc::gen::element<std::string>("fixed", "by_score");
  options.policy_semantics = *rc::gen::element<std::string>("default", "author");
  const PolicyPlan other = Planned(options, inputs);
  const double weights = 32.0 * 256 * static_cast<double>(scores.size());
  const PolicyPlan optimal = Planned({.use_mixed_precision = true,
                                      .target_avg_bits = static_cast<double>(other.stored_bits) / weights,
                                      .mpq_strategy = "optimal"},
                                     inputs);
  RC_ASSERT(optimal.stored_bits <= other.stored_bits);
  const double loss = LossOf(other, *inputs.table);
  RC_ASSERT(LossOf(optimal, *inputs.table) <= loss + 1e-12 * std::abs(loss));
}

RC_GTEST_PROP(PoliciesProperty, EveryOrderIsAPermutationAndEveryBlockIsInOneUnit, ()) {
  const Vector scores = RandomScores();
  PartialRecipe options;
  options.layer_ordering = *rc::gen::element<std::string>("original", "sensitivity", "random");
  options.block_grouping = *rc::gen::element<std::string>("1", "2", "7", "similar");
  options.block_grouping_factor = 1 + *rc::gen::inRange(0, 40) / 10.0;
  options.seed = *rc::gen::inRange(0, 1000);
  const PolicyPlan plan = Planned(options, InputsOf(scores));
  std::vector<int64_t> sorted = plan.order;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) RC_ASSERT(sorted[i] == static_cast<int64_t>(i));
  int64_t next = 0;
  for (const TrainingUnit& unit : plan.units) {
    RC_ASSERT(unit.first_block == next);
    RC_ASSERT(unit.block_count >= 1);
    next += unit.block_count;
    if (options.block_grouping != "similar") continue;
    const auto first = scores.begin() + unit.first_block;
    const auto [least, most] = std::minmax_element(first, first + unit.block_count);
    RC_ASSERT(*most <= *least * *options.block_grouping_factor * (1 + 1e-12));
  }
  RC_ASSERT(next == static_cast<int64_t>(scores.size()));
}

RC_GTEST_PROP(PoliciesProperty, ABadScoreIsRefusedByEveryPolicyThatReadsScores, ()) {
  Vector scores = RandomScores();
  const size_t bad = *rc::gen::inRange<size_t>(0, scores.size());
  scores[bad] = *rc::gen::element(std::nan(""), -1e-9, -3.0, HUGE_VAL);
  PartialRecipe options;
  switch (*rc::gen::inRange(0, 5)) {
    case 0:
      options.layer_ordering = "sensitivity";
      break;
    case 1:
      options.adaptive_epochs = true;
      break;
    case 2:
      options.adaptive_lr_scaling = true;
      break;
    case 3:
      options.use_adaptive_training = true;
      break;
    default:
      options.use_mixed_precision = true;
  }
  const Status status = PlanOf(options, InputsOf(scores)).status();
  RC_ASSERT(status.code() == absl::StatusCode::kInvalidArgument);
  RC_ASSERT(std::string(MessageOf(status)).find(absl::StrCat("block ", bad, " is")) != std::string::npos);
}

}  // namespace
}  // namespace lwq::coordinator
