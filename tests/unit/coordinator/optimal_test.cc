// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/allocate/optimal.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Random = std::mt19937_64;

int64_t Between(Random& random, int64_t low, int64_t high) {  // both included
  return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
}
double UnitInterval(Random& random) {
  return static_cast<double>(random() >> 11) * 0x1p-53;
}

// Losses are small whole numbers, or the blocks alike, so that plans tie often; costs share a divisor, or do not.
AllocationProblem RandomProblem(Random& random, int64_t most_blocks, int64_t most_options) {
  AllocationProblem problem(static_cast<size_t>(Between(random, 1, most_blocks)));
  const bool alike = Between(random, 0, 2) == 0;
  // Sums of whole numbers are exact, so that equal plans are equal to the bit.
  const bool ties = alike || Between(random, 0, 1) == 0;
  const int64_t unit = Between(random, 0, 1) == 0 ? 64 : 1;
  const int64_t most_cost = Between(random, 0, 2) == 0 ? 1'000'000'000'000 : Between(random, 4, 30);
  for (std::vector<LossPoint>& options : problem) {
    if (alike && &options != &problem.front()) {
      options = problem.front();
      continue;
    }
    options.resize(static_cast<size_t>(Between(random, 1, most_options)));
    for (LossPoint& option : options) {
      option.stored_bits = unit * Between(random, 0, most_cost);
      option.loss = ties ? static_cast<double>(Between(random, -1, 4)) : UnitInterval(random);
    }
  }
  return problem;
}

struct EveryPlan {
  LossPoint point;
  std::vector<int> options;
};

// All plans, in lexicographic order of their options; losses added from the last block to the first.
void Enumerate(const AllocationProblem& problem, std::vector<int>& chosen, std::vector<EveryPlan>& plans) {
  if (chosen.size() < problem.size()) {
    for (size_t i = 0; i < problem[chosen.size()].size(); ++i) {
      chosen.push_back(static_cast<int>(i));
      Enumerate(problem, chosen, plans);
      chosen.pop_back();
    }
    return;
  }
  EveryPlan plan{.point = {}, .options = chosen};
  for (size_t k = problem.size(); k-- > 0;) {
    const LossPoint& option = problem[k][static_cast<size_t>(chosen[k])];
    plan.point.stored_bits += option.stored_bits;
    plan.point.loss = option.loss + plan.point.loss;
  }
  plans.push_back(plan);
}

std::vector<EveryPlan> AllPlans(const AllocationProblem& problem) {
  std::vector<EveryPlan> plans;
  std::vector<int> chosen;
  Enumerate(problem, chosen, plans);
  return plans;
}

// Nothing beats these in both; the first of equal ones.
std::vector<EveryPlan> FrontierByBruteForce(std::vector<EveryPlan> plans) {
  std::stable_sort(plans.begin(), plans.end(), [](const EveryPlan& a, const EveryPlan& b) {
    return a.point.stored_bits != b.point.stored_bits ? a.point.stored_bits < b.point.stored_bits
                                                      : a.point.loss < b.point.loss;
  });
  std::vector<EveryPlan> frontier;
  for (const EveryPlan& plan : plans) {
    if (frontier.empty() || plan.point.loss < frontier.back().point.loss) frontier.push_back(plan);
  }
  return frontier;
}

TEST(OptimalTest, EqualsBruteForceOnTwoThousandRandomInstances) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const AllocationProblem problem = RandomProblem(random, 5, 5);
    const std::vector<EveryPlan> frontier = FrontierByBruteForce(AllPlans(problem));
    const int64_t fewest = frontier.front().point.stored_bits;
    const int64_t budget = Between(random, fewest, frontier.back().point.stored_bits + 10);
    const auto best = std::find_if(frontier.rbegin(), frontier.rend(),
                                   [&](const EveryPlan& plan) { return plan.point.stored_bits <= budget; });

    const StatusOr<OptimalAllocation> result = AllocateOptimally(problem, budget);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->certificate.chosen, best->point);
    EXPECT_EQ(result->options, best->options);
    ASSERT_TRUE(result->frontier_is_whole);
    ASSERT_EQ(result->frontier.size(), frontier.size());
    for (size_t i = 0; i < frontier.size(); ++i) EXPECT_EQ(result->frontier[i], frontier[i].point);
    EXPECT_EQ(result->certificate.next.has_value(), best != frontier.rbegin());
    if (result->certificate.next.has_value()) {
      EXPECT_EQ(*result->certificate.next, std::prev(best)->point);
    }
    EXPECT_LE(result->certificate.lagrangian.loss, best->point.loss + 1e-9);

    // The bounded programme alone finds the same plan.
    const PlanBound bound{
        .budget = budget, .lagrangian = BestLagrangianBound(problem, budget), .attained = best->point.loss};
    const std::optional<ParetoProgram> bounded = ParetoProgram::Solve(problem, {}, bound);
    ASSERT_TRUE(bounded.has_value());
    EXPECT_EQ(bounded->frontier().back(), best->point);
    EXPECT_EQ(bounded->OptionsAt(bounded->frontier().size() - 1), best->options);
  }
}

// Independent of LowerHull and of the programme: between two known vertices, the multiplier of their slope finds a
// plan below the line or proves that there is none.
LossPoint MinimizeFor(const AllocationProblem& problem, double multiplier) {
  LossPoint sum;
  for (const std::vector<LossPoint>& options : problem) {
    const LossPoint* least = &options.front();
    for (const LossPoint& option : options) {
      const double value = option.loss + multiplier * static_cast<double>(option.stored_bits);
      if (value < least->loss + multiplier * static_cast<double>(least->stored_bits)) least = &option;
    }
    sum.stored_bits += least->stored_bits;
    sum.loss += least->loss;
  }
  return sum;
}

void Sweep(const AllocationProblem& problem, const LossPoint& left, const LossPoint& right,
           std::map<int64_t, double>& vertices) {
  const double slope = (left.loss - right.loss) / static_cast<double>(right.stored_bits - left.stored_bits);
  const LossPoint found = MinimizeFor(problem, slope);
  const double line = left.loss + slope * static_cast<double>(left.stored_bits);
  if (found.loss + slope * static_cast<double>(found.stored_bits) >= line - 1e-12 * std::abs(line)) return;
  vertices[found.stored_bits] = found.loss;
  Sweep(problem, left, found, vertices);
  Sweep(problem, found, right, vertices);
}

TEST(OptimalTest, TheLowerHullOfTheFrontierEqualsAnIndependentLagrangianSweep) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    AllocationProblem problem(static_cast<size_t>(Between(random, 1, 24)));
    for (std::vector<LossPoint>& options : problem) {
      for (int i = 0; i < 12; ++i) options.push_back({Between(random, 1, 300) * 128, UnitInterval(random)});
    }
    const StatusOr<OptimalAllocation> result = AllocateOptimally(problem, 300 * 128 * 24);
    ASSERT_TRUE(result.ok());
    std::map<int64_t, double> vertices;
    const LossPoint cheapest = result->frontier.front();
    const LossPoint best = result->frontier.back();
    vertices[cheapest.stored_bits] = cheapest.loss;
    vertices[best.stored_bits] = best.loss;
    if (cheapest.stored_bits < best.stored_bits) Sweep(problem, cheapest, best, vertices);

    for (const std::vector<LossPoint>& hull : {LowerHull(result->frontier), HullOfSum(problem)}) {
      ASSERT_EQ(hull.size(), vertices.size());
      size_t i = 0;
      for (const auto& [bits, loss] : vertices) {
        EXPECT_EQ(hull[i].stored_bits, bits);
        EXPECT_NEAR(hull[i].loss, loss, 1e-9);
        ++i;
      }
    }
  }
}

TEST(OptimalTest, TheBoundIsTheHullAtTheBudget) {
  const AllocationProblem problem = {{{0, 10}, {10, 0}}, {{0, 4}, {8, 0}}};
  // Hull: (0, 14), (10, 4), (18, 0). At 14 bits the line says 2; no plan but (10, 4) fits.
  const StatusOr<OptimalAllocation> result = AllocateOptimally(problem, 14);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->certificate.chosen, (LossPoint{10, 4}));
  EXPECT_DOUBLE_EQ(result->certificate.lagrangian.loss, 2);
  EXPECT_DOUBLE_EQ(result->certificate.lagrangian.multiplier, 0.5);
  EXPECT_DOUBLE_EQ(result->certificate.gap, 2);
  EXPECT_EQ(result->certificate.ToString(),
            "optimal: loss 4 at 10 of 14 stored bits, and no plan within them loses less (whole frontier); the next "
            "better plan takes 18 bits (+8) and loses 0; Lagrangian lower bound 2 at 0.5 per bit, duality gap 2");
}

TEST(OptimalTest, OfEqualLossesTheCheaperThenTheLowestOptions) {
  EXPECT_THAT(AllocateOptimally({{{5, 1}, {3, 1}, {3, 1}}}, 9)->options, ElementsAre(1));
  EXPECT_THAT(AllocateOptimally({{{2, 1}, {1, 2}}, {{1, 2}, {2, 1}}}, 3)->options, ElementsAre(0, 0));
}

TEST(OptimalTest, WhatCannotBeAllocatedIsRefused) {
  const Status small = AllocateOptimally({{{5, 1}, {7, 0}}, {{6, 1}}}, 10).status();
  EXPECT_EQ(small.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(small)), HasSubstr("the budget is 10 stored bits and the smallest plan takes 11"));
  EXPECT_THAT(std::string(MessageOf(AllocateOptimally({}, 10).status())), HasSubstr("no block"));
  EXPECT_THAT(std::string(MessageOf(AllocateOptimally({{{1, 1}}, {}}, 10).status())), HasSubstr("block 1 has no"));
  EXPECT_THAT(std::string(MessageOf(AllocateOptimally({{{1, NAN}}}, 10).status())), HasSubstr("option 0 of block 0"));
}

TEST(OptimalTest, BeyondItsLimitsTheFrontierIsAHullAndTheChosenPlanStillOptimal) {
  Random random(7);
  AllocationProblem problem(40);
  for (std::vector<LossPoint>& options : problem) {
    for (int i = 0; i < 8; ++i) options.push_back({Between(random, 1, 1'000'000'000'000), UnitInterval(random)});
  }
  const int64_t budget = 12'000'000'000'000;
  const StatusOr<OptimalAllocation> whole = AllocateOptimally(problem, budget);
  ASSERT_TRUE(whole.ok() && whole->frontier_is_whole);
  int64_t sums = 1;
  // The largest limit under which the whole frontier is given up.
  while (ParetoProgram::Solve(problem, {.sums = 2 * sums}) == std::nullopt) sums *= 2;
  const StatusOr<OptimalAllocation> bounded = AllocateOptimally(problem, budget, {.sums = sums});
  ASSERT_TRUE(bounded.ok()) << bounded.status();
  EXPECT_FALSE(bounded->frontier_is_whole);
  EXPECT_EQ(bounded->options, whole->options);
  EXPECT_EQ(bounded->certificate.chosen, whole->certificate.chosen);
  EXPECT_FALSE(bounded->certificate.next.has_value());
  EXPECT_THAT(bounded->certificate.ToString(), HasSubstr("(bounded search)"));
  EXPECT_LT(bounded->frontier.size(), whole->frontier.size());
  for (const LossPoint& vertex : bounded->frontier) {
    EXPECT_TRUE(std::any_of(whole->frontier.begin(), whole->frontier.end(), [&](const LossPoint& point) {
      return point.stored_bits == vertex.stored_bits && std::abs(point.loss - vertex.loss) < 1e-9;
    })) << vertex.stored_bits;
  }
  EXPECT_EQ(AllocateOptimally(problem, budget, {.points = 10}).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace lwq::coordinator
