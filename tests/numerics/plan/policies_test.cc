// SPDX-License-Identifier: Apache-2.0
// Every policy against golden/policies/policies.json: what the original author's program gives (float32, truncated) and
// what the proposals' formulas (docs/policies.md) give untruncated, for eleven vectors of scores, two of them measured
// on Llama-2-7B.
#include <cmath>
#include <fstream>
#include <string>

#include "common/json/json.h"
#include "coordinator/plan/plan_blocks.h"
#include "coordinator/plan/policy/mixed_precision.h"
#include "coordinator/plan/policy/scores.h"
#include "coordinator/plan/policy/training_policy.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/policies.h"

namespace lwq::coordinator {
namespace {

using Vector = std::vector<double>;

const Json& Vectors() {
  static const Json* const kVectors = [] {
    std::ifstream file(std::string(LWQ_SOURCE_DIR) + "/tests/numerics/golden/policies/policies.json");
    return new Json(Json::parse(file)["vectors"]);
  }();
  return *kVectors;
}

class PoliciesTest : public ::testing::TestWithParam<std::string> {
 protected:
  const Json& Case() const { return Vectors()[GetParam()]; }
  Vector Scores() const { return Case()["scores"].get<Vector>(); }
};

void ExpectNear(const Vector& values, const Json& expected, const std::string& what) {
  ASSERT_EQ(values.size(), expected.size()) << what;
  for (size_t i = 0; i < values.size(); ++i) {
    const double wanted = expected[i];
    EXPECT_NEAR(values[i], wanted, 1e-6 * std::abs(wanted)) << what << " of block " << i;
  }
}

// A column of the settings.
template <typename Row>
Vector Column(const std::vector<Row>& rows, double Row::*field) {
  Vector values;
  for (const Row& row : rows) values.push_back(row.*field);
  return values;
}

std::vector<TrainingSettings> Uniform(size_t units, double epochs, double lr) {
  return std::vector<TrainingSettings>(
      units, {.epochs = epochs, .quant_lr = lr, .zp_lr = lr, .weight_lr = lr / 10, .patience = 0});
}

struct SgraBase {
  double epochs;
  double lr;
  const char* key;
};
constexpr SgraBase kSgraBases[] = {{2, 1e-4, "base_epochs=2,base_lr=0.0001"}, {4, 5e-5, "base_epochs=4,base_lr=5e-05"}};
constexpr const char* kTargets[] = {"2", "2.5", "3", "3.5", "4"};

// A plan of a model whose blocks all hold one small linear, so that every width and group size fits.
PolicyPlan PlanOf(const PartialRecipe& options, const Vector& scores) {
  PolicyInputs inputs;
  inputs.block_shapes.assign(scores.size(), {{.out_features = 32, .in_features = 256}});
  inputs.scores = scores;
  const StatusOr<Recipe> policies = testing::PoliciesOf(options);
  LWQ_CHECK(policies.ok(), policies.status().ToString());
  StatusOr<PolicyPlan> plan = PlanBlocks(*policies, inputs);
  LWQ_CHECK(plan.ok(), plan.status().ToString());
  return *std::move(plan);
}

std::vector<int> BitsOf(const PolicyPlan& plan) {
  std::vector<int> bits;
  for (const BlockPlan& block : plan.blocks) bits.push_back(block.bit_width);
  return bits;
}

TEST_P(PoliciesTest, TheAuthorsRatiosAreFloat32ToTheBit) {
  EXPECT_EQ(AuthorRatios(Scores()), Case()["norm_scores_fp32"].get<std::vector<float>>());
}

TEST_P(PoliciesTest, WithTheAuthorsSemanticsWidthsAndGroupSizesAreHisPrograms) {
  const Json& mpq = Case()["mpq_author_code"];
  EXPECT_EQ(WidthsByScore(MpqStrategy::kAdaptive, AuthorRatios(Scores())),
            mpq["adaptive_initial_without_greedy"]["bits"].get<std::vector<int>>());
  PartialRecipe options{.use_mixed_precision = true, .mpq_group_size = "by_score", .policy_semantics = "author"};
  for (const char* target : kTargets) {
    options.target_avg_bits = std::stod(target);
    for (const char* strategy : {"adaptive", "conservative", "aggressive"}) {
      options.mpq_strategy = strategy;
      const PolicyPlan plan = PlanOf(options, Scores());
      const Json& bits = mpq[strategy].is_array() ? mpq[strategy] : mpq[strategy][target]["bits"];
      EXPECT_EQ(BitsOf(plan), bits.get<std::vector<int>>()) << strategy << " at " << target;
      std::vector<int64_t> groups;
      for (const BlockPlan& block : plan.blocks) groups.push_back(block.group_size);
      EXPECT_EQ(groups, mpq["group_sizes"]["group_sizes"].get<std::vector<int64_t>>());
    }
    const GreedyResult greedy =
        GreedyToTarget(WidthsByScore(MpqStrategy::kAdaptive, AuthorRatios(Scores())), Scores(), std::stod(target));
    const Json& wanted = mpq["adaptive"][target];
    EXPECT_EQ(greedy.steps, wanted["greedy_iterations"].get<int64_t>()) << target;
    EXPECT_EQ(greedy.reached, wanted["greedy_converged"].get<bool>()) << target;
  }
}

TEST_P(PoliciesTest, ByDefaultConservativeAndAggressiveAreFollowedByTheGreedy) {
  PartialRecipe options{.use_mixed_precision = true};
  for (const char* strategy : {"conservative", "aggressive"}) {
    const Json& maps = Case()["mpq_author_code"][std::string(strategy) + "_then_greedy_NOT_in_author_code"];
    options.mpq_strategy = strategy;
    for (const char* target : kTargets) {
      options.target_avg_bits = std::stod(target);
      options.policy_semantics = "default";
      options.keep_budget.reset();
      EXPECT_EQ(BitsOf(PlanOf(options, Scores())), maps[target]["bits"].get<std::vector<int>>())
          << strategy << " at " << target;
      options.policy_semantics = "author";
      options.keep_budget = true;
      EXPECT_EQ(BitsOf(PlanOf(options, Scores())), maps[target]["bits"].get<std::vector<int>>())
          << strategy << " at " << target << ", author's float32";
    }
    options.policy_semantics = "default";
    options.keep_budget = false;
    EXPECT_EQ(BitsOf(PlanOf(options, Scores())), Case()["mpq_author_code"][strategy].get<std::vector<int>>())
        << strategy;
  }
}

TEST_P(PoliciesTest, ByDefaultAdaptiveIsTheAuthorsWhereFloat64GivesTheSame) {
  const Json& mpq = Case()["mpq_author_code"];
  for (const char* target : kTargets) {
    const Json& wanted = mpq["adaptive"][target];
    if (!mpq["adaptive_initial_without_greedy"]["same_if_computed_in_float64"].get<bool>() ||
        !wanted["same_if_computed_in_float64"].get<bool>()) {
      continue;
    }
    const PolicyPlan plan = PlanOf({.use_mixed_precision = true, .target_avg_bits = std::stod(target)}, Scores());
    EXPECT_EQ(BitsOf(plan), wanted["bits"].get<std::vector<int>>()) << target;
    EXPECT_NEAR(plan.average_bits, wanted["avg"], 1e-12);
  }
}

TEST_P(PoliciesTest, WithTheAuthorsSemanticsSgraIsHisPrograms) {
  for (const SgraBase& base : kSgraBases) {
    const Json& wanted = Case()["sgra"][base.key]["author_code"];
    const PolicyPlan plan = PlanOf({.epochs = base.epochs,
                                    .quant_lr = base.lr,
                                    .zp_lr = base.lr,
                                    .use_adaptive_training = true,
                                    .policy_semantics = "author"},
                                   Scores());
    EXPECT_EQ(Column(plan.blocks, &BlockPlan::epochs), wanted["epochs"].get<Vector>()) << base.key;
    EXPECT_EQ(Column(plan.blocks, &BlockPlan::patience), wanted["patience"].get<Vector>()) << base.key;
    ExpectNear(Column(plan.blocks, &BlockPlan::quant_lr), wanted["quant_lr"], "quant_lr");
    ExpectNear(Column(plan.blocks, &BlockPlan::weight_lr), wanted["weight_lr"], "weight_lr");
  }
}

// The formulas, fed what the reference fed them: the float32 ratios, and the raw scores of the literal reading.
TEST_P(PoliciesTest, SgrasFormulasUntruncated) {
  const std::vector<float> author = AuthorRatios(Scores());
  for (const SgraBase& base : kSgraBases) {
    const Json& wanted = Case()["sgra"][base.key];
    for (const bool literal : {false, true}) {
      const Json& series = wanted[literal ? "seed_literal_raw_scores" : "untruncated"];
      std::vector<TrainingSettings> units = Uniform(author.size(), base.epochs, base.lr);
      ApplySgra(literal ? Scores() : Vector(author.begin(), author.end()), units);
      ExpectNear(Column(units, &TrainingSettings::epochs), series["epochs"], "epochs");
      ExpectNear(Column(units, &TrainingSettings::quant_lr), series["quant_lr"], "quant_lr");
      ExpectNear(Column(units, &TrainingSettings::patience), series["patience"], "patience");
    }
  }
}

TEST_P(PoliciesTest, JointIsTheAuthorsWithHisSemanticsAndTheSeedsByDefault) {
  const std::vector<float> author = AuthorRatios(Scores());
  for (const auto& [strategy, targets] : Case()["joint"].items()) {
    for (const auto& [target, wanted] : targets.items()) {
      const std::string what = strategy + " at " + target;
      const Json& code = wanted["author_code"];
      PartialRecipe options{.use_adaptive_training = true,
                            .use_mixed_precision = true,
                            .mpq_strategy = strategy,
                            .mpq_group_size = "by_score",
                            .policy_semantics = "author"};
      if (target != "any") options.target_avg_bits = std::stod(target);
      const PolicyPlan plan = PlanOf(options, Scores());
      EXPECT_EQ(BitsOf(plan), wanted["bits"].get<std::vector<int>>()) << what;
      EXPECT_EQ(Column(plan.blocks, &BlockPlan::epochs), code["epochs"].get<Vector>()) << what;
      EXPECT_EQ(Column(plan.blocks, &BlockPlan::patience), code["patience"].get<Vector>()) << what;
      ExpectNear(Column(plan.blocks, &BlockPlan::quant_lr), code["quant_lr"], what);
      ExpectNear(Column(plan.blocks, &BlockPlan::weight_lr), code["weight_lr"], what);

      const Json& seed = wanted["seed_text"];
      std::vector<TrainingSettings> units = Uniform(author.size(), 2, 1e-4);
      ApplySgra(Vector(author.begin(), author.end()), units);
      ApplyJoint(wanted["bits"].get<Vector>(), units);
      ExpectNear(Column(units, &TrainingSettings::epochs), seed["epochs_untruncated"], what);
      ExpectNear(Column(units, &TrainingSettings::quant_lr), seed["quant_lr"], what);
      ExpectNear(Column(units, &TrainingSettings::patience), seed["patience_untruncated"], what);
    }
  }
}

TEST_P(PoliciesTest, AdaptiveEpochsAreFractionalByDefaultAndWholeWithTheAuthorsSemantics) {
  for (const auto& [key, wanted] : Case()["layerwise_adaptive_epochs"].items()) {
    PartialRecipe options{.epochs = std::stod(key.substr(key.find('=') + 1)), .adaptive_epochs = true};
    const Vector epochs = Column(PlanOf(options, Scores()).blocks, &BlockPlan::epochs);
    const Json& formula = wanted["seed_formula_float64_no_epsilon"];
    // The proposal's formula divides by 0 where all scores are equal; the ratio is 0 there.
    ExpectNear(epochs, formula.is_null() ? Json(Vector(epochs.size(), *options.epochs)) : formula, key);
    options.policy_semantics = "author";
    EXPECT_EQ(Column(PlanOf(options, Scores()).blocks, &BlockPlan::epochs), wanted["author_code_int"].get<Vector>())
        << key;
  }
}

TEST_P(PoliciesTest, TheThreeReadingsOfAdaptiveLearningRates) {
  const Json& wanted = Case()["adaptive_lr_scaling_base_1e-4"];
  const std::pair<const char*, const char*> readings[] = {
      {"mean", "mean_normalised"}, {"max", "max_normalised"}, {"minmax", "minmax"}};
  for (const auto& [normalization, key] : readings) {
    const PolicyPlan plan = PlanOf({.adaptive_lr_scaling = true, .adaptive_lr_normalization = normalization}, Scores());
    ExpectNear(Column(plan.blocks, &BlockPlan::quant_lr), wanted[key], key);
    ExpectNear(Column(plan.blocks, &BlockPlan::zp_lr), wanted[key], key);
    for (const BlockPlan& block : plan.blocks) EXPECT_NEAR(block.weight_lr, block.quant_lr / 10, 1e-18);
  }
}

TEST_P(PoliciesTest, OrdersByDepthAndBySensitivity) {
  const Json& wanted = Case()["layer_order"];
  EXPECT_EQ(PlanOf({.layer_ordering = "original"}, Scores()).order, wanted["original"].get<std::vector<int64_t>>());
  const PolicyPlan plan = PlanOf({.layer_ordering = "sensitivity"}, Scores());
  EXPECT_EQ(plan.order, wanted["sensitivity_descending_stable"].get<std::vector<int64_t>>());
  for (size_t position = 0; position < plan.order.size(); ++position) {
    EXPECT_EQ(plan.blocks[static_cast<size_t>(plan.order[position])].position, static_cast<int64_t>(position));
  }
}

INSTANTIATE_TEST_SUITE_P(AllVectors, PoliciesTest,
                         ::testing::Values("llama2_7b_author", "llama2_7b_heavy_tail", "heavy_tail_rounded", "ties",
                                           "all_equal", "single_block", "lognormal_12", "uniform_32", "five_blocks",
                                           "two_blocks", "zeros"),
                         [](const auto& test) { return test.param; });

TEST(PoliciesVectors, EveryVectorOfTheFileIsTested) {
  EXPECT_EQ(Vectors().size(), 11u);
}

}  // namespace
}  // namespace lwq::coordinator
