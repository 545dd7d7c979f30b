// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/allocate/pareto_program.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "common/status/status.h"

namespace lwq::coordinator {
namespace {

constexpr double kUnreached = std::numeric_limits<double>::infinity();
// An array over costs is used up to this many entries, and while it is at most this many times the sums to be formed.
constexpr int64_t kMaxArrayEntries = int64_t{1} << 23;
constexpr int64_t kArrayEntriesPerSum = 8;

int64_t FewestBits(const std::vector<LossPoint>& options) {
  return std::min_element(options.begin(), options.end(),
                          [](const LossPoint& a, const LossPoint& b) { return a.stored_bits < b.stored_bits; })
      ->stored_bits;
}

int64_t CommonDivisor(const AllocationProblem& problem) {
  int64_t divisor = 0;
  for (const std::vector<LossPoint>& options : problem) {
    const int64_t least = FewestBits(options);
    for (const LossPoint& option : options) divisor = std::gcd(divisor, option.stored_bits - least);
  }
  return std::max<int64_t>(divisor, 1);
}

// What a suffix may cost above its least and still belong to a best plan within the bound's budget.
class SuffixFilter {
 public:
  SuffixFilter(const AllocationProblem& problem, const PlanBound& bound, int64_t divisor) {
    const size_t blocks = problem.size();
    multiplier_ = bound.lagrangian.multiplier;
    divisor_ = static_cast<double>(divisor);
    int64_t fewest = 0;
    double scale = std::abs(bound.attained) + multiplier_ * static_cast<double>(bound.budget);
    for (const std::vector<LossPoint>& options : problem) {
      fewest += FewestBits(options);
      for (const LossPoint& option : options) scale = std::max(scale, std::abs(option.loss));
    }
    most_units_ = (bound.budget - fewest) / divisor;
    least_.assign(blocks + 1, 0.0);
    for (size_t k = blocks; k-- > 0;) {
      const int64_t least_bits = FewestBits(problem[k]);
      double least = kUnreached;
      for (const LossPoint& option : problem[k]) {
        least = std::min(least, option.loss + multiplier_ * static_cast<double>(option.stored_bits - least_bits));
      }
      least_[k] = least_[k + 1] + least;
    }
    // The bound's slack, widened by far more than the rounding of a sum of all blocks.
    excess_ = std::max(0.0, bound.attained - bound.lagrangian.loss) + 1e-12 * static_cast<double>(blocks + 1) * scale;
  }

  bool Keeps(size_t k, int64_t units, double loss) const {
    return units <= most_units_ && loss + multiplier_ * divisor_ * static_cast<double>(units) <= least_[k] + excess_;
  }

 private:
  double multiplier_ = 0;
  double divisor_ = 1;
  double excess_ = 0;
  int64_t most_units_ = 0;
  std::vector<double> least_;  // of loss + multiplier·bits above the fewest, per suffix
};

}  // namespace

std::vector<ParetoProgram::Option> ParetoProgram::UndominatedOptions(const std::vector<LossPoint>& options,
                                                                     int64_t least, int64_t divisor) {
  LWQ_CHECK(options.size() <= std::numeric_limits<uint16_t>::max(), options.size(), " options for one block");
  // Sort by cost, the cheapest loss first among equals; an option stays only where it lowers the loss.
  std::vector<Option> all;
  for (size_t i = 0; i < options.size(); ++i) {
    all.push_back({(options[i].stored_bits - least) / divisor, options[i].loss, static_cast<uint16_t>(i)});
  }
  std::stable_sort(all.begin(), all.end(), [](const Option& a, const Option& b) {
    return a.units != b.units ? a.units < b.units : a.loss < b.loss;
  });
  std::vector<Option> kept;
  for (const Option& option : all) {
    if (kept.empty() || option.loss < kept.back().loss) kept.push_back(option);
  }
  return kept;
}

ParetoProgram::Front ParetoProgram::JoinByScatter(const Front& rest, const std::vector<Option>& options, int64_t span) {
  // Step 1: one slot for every cost up to `span`; every pair of an option and a point of the rest bids for its slot.
  // Options go in the order of their index, so that of equal losses the lowest index stays.
  std::vector<double> least(static_cast<size_t>(span) + 1, kUnreached);
  std::vector<uint16_t> chosen(static_cast<size_t>(span) + 1, 0);
  std::vector<Option> by_index = options;
  std::sort(by_index.begin(), by_index.end(), [](const Option& a, const Option& b) { return a.index < b.index; });
  for (const Option& option : by_index) {
    for (size_t i = 0; i < rest.units.size(); ++i) {
      const size_t at = static_cast<size_t>(rest.units[i] + option.units);
      const double loss = option.loss + rest.loss[i];
      const bool better = loss < least[at];
      chosen[at] = better ? option.index : chosen[at];
      least[at] = better ? loss : least[at];
    }
  }
  // Step 2: from cheap to dear, a slot is on the front where it loses less than all that are cheaper.
  Front front;
  double lowest = kUnreached;
  for (size_t at = 0; at < least.size(); ++at) {
    if (least[at] >= lowest) continue;
    lowest = least[at];
    front.units.push_back(static_cast<int64_t>(at));
    front.loss.push_back(lowest);
    front.option.push_back(chosen[at]);
  }
  return front;
}

ParetoProgram::Front ParetoProgram::JoinByMerge(const Front& rest, const std::vector<Option>& options,
                                                int64_t most_points) {
  // The rest, shifted by one option's cost and loss, is a sorted list. Each option's list is merged into what the
  // options before it gave, as merge sort does, and points that no longer lower the loss are dropped on the way.
  Front merged;
  Front next;
  for (const Option& option : options) {
    next.units.clear();
    next.loss.clear();
    next.option.clear();
    double lowest = kUnreached;
    const auto add = [&](int64_t units, double loss, uint16_t index) {
      if (loss >= lowest) return;
      lowest = loss;
      next.units.push_back(units);
      next.loss.push_back(loss);
      next.option.push_back(index);
    };
    size_t i = 0;
    size_t j = 0;
    while (i < merged.units.size() || j < rest.units.size()) {
      // The cheaper head goes first; of equal costs the one that loses less; of equals the lower option.
      bool take_merged = j == rest.units.size();
      if (!take_merged && i < merged.units.size()) {
        const int64_t units = rest.units[j] + option.units;
        const double loss = option.loss + rest.loss[j];
        take_merged = merged.units[i] != units ? merged.units[i] < units
                      : merged.loss[i] != loss ? merged.loss[i] < loss
                                               : merged.option[i] < option.index;
      }
      if (take_merged) {
        add(merged.units[i], merged.loss[i], merged.option[i]);
        ++i;
      } else {
        add(rest.units[j] + option.units, option.loss + rest.loss[j], option.index);
        ++j;
      }
    }
    std::swap(merged, next);
    if (static_cast<int64_t>(merged.units.size()) > most_points) break;  // the caller gives up
  }
  return merged;
}

std::optional<ParetoProgram> ParetoProgram::Solve(const AllocationProblem& problem, const ProgramLimits& limits,
                                                  const std::optional<PlanBound>& bound) {
  LWQ_CHECK(!problem.empty(), "there is no block to settle");
  const int64_t divisor = CommonDivisor(problem);
  std::optional<SuffixFilter> filter;
  if (bound.has_value()) filter.emplace(problem, *bound, divisor);

  // The front of no blocks at all: nothing costs nothing. From there, block by block towards the first.
  ParetoProgram program;
  program.options_.resize(problem.size());
  program.fronts_.resize(problem.size() + 1);
  program.fronts_.back() = {.units = {0}, .loss = {0.0}, .option = {0}};
  int64_t fewest = 0;
  int64_t points = 0;
  int64_t work = 0;
  for (size_t k = problem.size(); k-- > 0;) {
    // Step 1: the block's options in units above its fewest bits.
    const int64_t least = FewestBits(problem[k]);
    fewest += least;
    program.options_[k] = UndominatedOptions(problem[k], least, divisor);
    const std::vector<Option>& options = program.options_[k];
    Front& rest = program.fronts_[k + 1];
    // Step 2: join them with the front of the blocks behind, by whichever way is cheaper, and count the work.
    const int64_t span = rest.units.back() + options.back().units;
    const int64_t sums = static_cast<int64_t>(rest.units.size() * options.size());
    const bool scatter = span < kMaxArrayEntries && span <= kArrayEntriesPerSum * sums + kArrayEntriesPerSum;
    // Merging passes over what it has merged so far once for each option: on average half of all sums.
    work += scatter ? sums : sums * std::max<int64_t>(1, static_cast<int64_t>(options.size()) / 2);
    if (work > limits.sums) return std::nullopt;
    Front front = scatter ? JoinByScatter(rest, options, span) : JoinByMerge(rest, options, limits.points);
    if (static_cast<int64_t>(front.units.size()) > limits.points) return std::nullopt;
    // Step 3: under a bound, drop what can no longer be part of a best plan.
    if (filter.has_value()) {
      Front kept;
      for (size_t i = 0; i < front.units.size(); ++i) {
        if (!filter->Keeps(k, front.units[i], front.loss[i])) continue;
        kept.units.push_back(front.units[i]);
        kept.loss.push_back(front.loss[i]);
        kept.option.push_back(front.option[i]);
      }
      front = std::move(kept);
    }
    points += static_cast<int64_t>(front.units.size());
    if (front.units.empty() || points > limits.points) return std::nullopt;
    // Step 4: keep the front. Of the one behind only costs and options are needed any more, to find plans again.
    rest.loss = {};
    program.fronts_[k] = std::move(front);
  }
  const Front& whole = program.fronts_.front();
  for (size_t i = 0; i < whole.units.size(); ++i) {
    program.frontier_.push_back({fewest + whole.units[i] * divisor, whole.loss[i]});
  }
  return program;
}

std::vector<int> ParetoProgram::OptionsAt(size_t index) const {
  // Walk from the first block: its option stands in the front, and what it leaves of the cost names the point of the
  // front behind that the sum came from.
  std::vector<int> chosen;
  for (size_t k = 0; k < options_.size(); ++k) {
    const uint16_t option = fronts_[k].option[index];
    chosen.push_back(option);
    const auto found = std::find_if(options_[k].begin(), options_[k].end(),
                                    [&](const Option& candidate) { return candidate.index == option; });
    const std::vector<int64_t>& next = fronts_[k + 1].units;
    const int64_t left = fronts_[k].units[index] - found->units;
    index = static_cast<size_t>(std::lower_bound(next.begin(), next.end(), left) - next.begin());
  }
  return chosen;
}

}  // namespace lwq::coordinator
