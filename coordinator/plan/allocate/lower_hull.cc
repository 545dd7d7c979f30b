// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/allocate/lower_hull.h"

#include <algorithm>
#include <limits>

#include "common/status/status.h"

namespace lwq::coordinator {
namespace {

// Loss saved by each further bit between two points.
double SlopeBetween(const LossPoint& from, const LossPoint& to) {
  return (from.loss - to.loss) / static_cast<double>(to.stored_bits - from.stored_bits);
}

struct HullSegment {
  int64_t stored_bits = 0;
  double saved = 0;
  double slope = 0;
};

// Every set's segments, steepest first: the order in which bits are worth most.
std::vector<HullSegment> SegmentsBySlope(const std::vector<std::vector<LossPoint>>& sets) {
  std::vector<HullSegment> segments;
  for (const std::vector<LossPoint>& set : sets) {
    const std::vector<LossPoint> hull = LowerHull(set);
    for (size_t i = 1; i < hull.size(); ++i) {
      segments.push_back({hull[i].stored_bits - hull[i - 1].stored_bits, hull[i - 1].loss - hull[i].loss,
                          SlopeBetween(hull[i - 1], hull[i])});
    }
  }
  std::stable_sort(segments.begin(), segments.end(),
                   [](const HullSegment& a, const HullSegment& b) { return a.slope > b.slope; });
  return segments;
}

LossPoint CheapestSum(const std::vector<std::vector<LossPoint>>& sets) {
  LossPoint sum;
  for (const std::vector<LossPoint>& set : sets) {
    const LossPoint first = LowerHull(set).front();
    sum.stored_bits += first.stored_bits;
    sum.loss += first.loss;
  }
  return sum;
}

}  // namespace

std::vector<LossPoint> LowerHull(std::vector<LossPoint> points) {
  std::sort(points.begin(), points.end(), [](const LossPoint& a, const LossPoint& b) {
    return a.stored_bits != b.stored_bits ? a.stored_bits < b.stored_bits : a.loss < b.loss;
  });
  std::vector<LossPoint> hull;
  for (const LossPoint& point : points) {
    if (!hull.empty() && point.loss >= hull.back().loss) continue;
    while (hull.size() >= 2 && SlopeBetween(hull[hull.size() - 2], hull.back()) <= SlopeBetween(hull.back(), point)) {
      hull.pop_back();
    }
    hull.push_back(point);
  }
  return hull;
}

std::vector<LossPoint> HullOfSum(const std::vector<std::vector<LossPoint>>& sets) {
  std::vector<LossPoint> hull = {CheapestSum(sets)};
  double last_slope = std::numeric_limits<double>::infinity();
  for (const HullSegment& segment : SegmentsBySlope(sets)) {
    const LossPoint next{hull.back().stored_bits + segment.stored_bits, hull.back().loss - segment.saved};
    if (segment.slope < last_slope) {
      hull.push_back(next);
    } else {
      hull.back() = next;
    }
    last_slope = segment.slope;
  }
  return hull;
}

LagrangianBound BestLagrangianBound(const std::vector<std::vector<LossPoint>>& sets, int64_t budget) {
  LagrangianBound bound;
  int64_t spent = CheapestSum(sets).stored_bits;
  LWQ_CHECK(spent <= budget, "the fewest bits are ", spent, ", the budget is ", budget);
  for (const HullSegment& segment : SegmentsBySlope(sets)) {
    spent += segment.stored_bits;
    if (spent <= budget) continue;
    bound.multiplier = segment.slope;
    break;
  }
  // Evaluated from its definition, so that it is a bound whatever the multiplier's rounding.
  double sum = 0;
  for (const std::vector<LossPoint>& set : sets) {
    double least = std::numeric_limits<double>::infinity();
    for (const LossPoint& point : set) {
      least = std::min(least, point.loss + bound.multiplier * static_cast<double>(point.stored_bits));
    }
    sum += least;
  }
  bound.loss = sum - bound.multiplier * static_cast<double>(budget);
  return bound;
}

}  // namespace lwq::coordinator
