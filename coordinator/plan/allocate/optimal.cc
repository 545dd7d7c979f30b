// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/allocate/optimal.h"

#include <algorithm>
#include <cmath>

namespace lwq::coordinator {
namespace {

Status CheckProblem(const AllocationProblem& problem, int64_t budget) {
  if (problem.empty()) return absl::InvalidArgumentError("there is no block to allocate bits to");
  int64_t fewest = 0;
  for (size_t block = 0; block < problem.size(); ++block) {
    if (problem[block].empty()) {
      return absl::InvalidArgumentError(absl::StrCat("block ", block, " has no option of bits and group size"));
    }
    int64_t least = problem[block].front().stored_bits;
    for (size_t i = 0; i < problem[block].size(); ++i) {
      const LossPoint& option = problem[block][i];
      if (option.stored_bits < 0 || !std::isfinite(option.loss)) {
        return absl::InvalidArgumentError(absl::StrCat("option ", i, " of block ", block, " takes ", option.stored_bits,
                                                       " bits and loses ", option.loss,
                                                       "; bits cannot be negative, losses must be finite"));
      }
      least = std::min(least, option.stored_bits);
    }
    fewest += least;
  }
  if (fewest <= budget) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the budget is ", budget, " stored bits and the smallest plan takes ", fewest,
                   ": raise the budget by ", fewest - budget, " bits or allow fewer bits or larger groups"));
}

size_t LastWithin(const std::vector<LossPoint>& frontier, int64_t budget) {
  const auto after = std::upper_bound(frontier.begin(), frontier.end(), budget,
                                      [](int64_t bits, const LossPoint& point) { return bits < point.stored_bits; });
  return static_cast<size_t>(after - frontier.begin()) - 1;
}

// A plan within the budget: along the hull as far as it goes, a loss that the optimum cannot exceed.
double LossAttained(const std::vector<LossPoint>& hull, int64_t budget) {
  return hull[LastWithin(hull, budget)].loss;
}

std::vector<LossPoint> WithPoint(std::vector<LossPoint> points, const LossPoint& point) {
  const auto at = std::lower_bound(points.begin(), points.end(), point.stored_bits,
                                   [](const LossPoint& known, int64_t bits) { return known.stored_bits < bits; });
  if (at == points.end() || at->stored_bits != point.stored_bits) points.insert(at, point);
  return points;
}

}  // namespace

std::string AllocationCertificate::ToString() const {
  std::string text = absl::StrCat("optimal: loss ", chosen.loss, " at ", chosen.stored_bits, " of ", budget,
                                  " stored bits, and no plan within them loses less (",
                                  optimal_by_exhaustion ? "whole frontier" : "bounded search", "); ");
  if (next.has_value()) {
    absl::StrAppend(&text, "the next better plan takes ", next->stored_bits, " bits (+",
                    next->stored_bits - chosen.stored_bits, ") and loses ", next->loss, "; ");
  } else if (optimal_by_exhaustion) {
    absl::StrAppend(&text, "no plan loses less at any size; ");
  }
  absl::StrAppend(&text, "Lagrangian lower bound ", lagrangian.loss, " at ", lagrangian.multiplier,
                  " per bit, duality gap ", gap);
  return text;
}

StatusOr<OptimalAllocation> AllocateOptimally(const AllocationProblem& problem, int64_t budget,
                                              const ProgramLimits& limits) {
  LWQ_RETURN_IF_ERROR(CheckProblem(problem, budget));
  OptimalAllocation result;
  AllocationCertificate& certificate = result.certificate;
  certificate.budget = budget;
  certificate.lagrangian = BestLagrangianBound(problem, budget);

  std::optional<ParetoProgram> program = ParetoProgram::Solve(problem, limits);
  const std::vector<LossPoint> hull = program.has_value() ? std::vector<LossPoint>() : HullOfSum(problem);
  if (!program.has_value()) {
    result.frontier_is_whole = certificate.optimal_by_exhaustion = false;
    program = ParetoProgram::Solve(
        problem, limits,
        PlanBound{.budget = budget, .lagrangian = certificate.lagrangian, .attained = LossAttained(hull, budget)});
  }
  if (!program.has_value()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the allocation of ", problem.size(), " blocks exceeds ", limits.sums, " sums or ", limits.points,
        " partial plans: give the blocks fewer options, or group sizes whose sizes share a large common divisor"));
  }
  const size_t chosen = LastWithin(program->frontier(), budget);
  result.options = program->OptionsAt(chosen);
  certificate.chosen = program->frontier()[chosen];
  certificate.gap = std::max(0.0, certificate.chosen.loss - certificate.lagrangian.loss);
  if (!result.frontier_is_whole) {
    result.frontier = WithPoint(hull, certificate.chosen);
    return result;
  }
  result.frontier = program->frontier();
  if (chosen + 1 < result.frontier.size()) certificate.next = result.frontier[chosen + 1];
  return result;
}

}  // namespace lwq::coordinator
