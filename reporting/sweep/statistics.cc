// SPDX-License-Identifier: Apache-2.0
#include "reporting/sweep/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace lwq::reporting {
namespace {

// The continued fraction of the incomplete beta function, evaluated by Lentz's method; converges quickly for
// x < (a + 1) / (a + b + 2).
double BetaFraction(double a, double b, double x) {
  constexpr int kMostTerms = 1000;
  constexpr double kTiny = 1e-300;
  const auto away_from_zero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1;
  double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m <= kMostTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  return fraction;
}

// The regularised incomplete beta function I_x(a, b), given x and 1 - x, each exact where the other is not.
double RegularisedBeta(double a, double b, double x, double rest) {
  if (x <= 0) return 0;
  if (rest <= 0) return 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log(rest));
  if (x < (a + 1) / (a + b + 2)) return front * BetaFraction(a, b, x) / a;
  return 1 - front * BetaFraction(b, a, rest) / b;
}

}  // namespace

MeanOfValues MeanOf(const std::vector<double>& values) {
  MeanOfValues result{.count = static_cast<int64_t>(values.size())};
  if (values.empty()) return result;
  const auto count = static_cast<double>(values.size());
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (values.size() < 2) return result;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.standard_error = std::sqrt(squares / (count - 1) / count);
  return result;
}

double StudentTwoSided(double t, double degrees) {
  if (std::isinf(t)) return 0;
  const double sum = degrees + t * t;
  return RegularisedBeta(degrees / 2, 0.5, degrees / sum, t * t / sum);
}

PairedDifference ComparePaired(const std::map<std::string, double>& values,
                               const std::map<std::string, double>& baseline) {
  std::vector<double> differences;
  for (const auto& [key, value] : values) {
    if (const auto found = baseline.find(key); found != baseline.end()) differences.push_back(value - found->second);
  }
  const MeanOfValues mean = MeanOf(differences);
  PairedDifference result{.pairs = mean.count, .mean = mean.mean, .standard_error = mean.standard_error};
  const bool all_equal =
      std::all_of(differences.begin(), differences.end(), [&](double one) { return one == differences.front(); });
  if (all_equal) {
    if (result.pairs > 1) result.standard_error = 0;  // the mean's own rounding is no spread
    return result;
  }
  result.p_value = StudentTwoSided(mean.mean / *mean.standard_error, static_cast<double>(mean.count - 1));
  return result;
}

std::vector<std::optional<double>> HolmCorrected(const std::vector<std::optional<double>>& p_values) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p_values.size(); ++i) {
    if (p_values[i].has_value()) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return *p_values[a] < *p_values[b]; });
  std::vector<std::optional<double>> corrected(p_values.size());
  double least = 0;
  for (size_t place = 0; place < order.size(); ++place) {
    const auto tests_left = static_cast<double>(order.size() - place);
    least = std::max(least, std::min(1.0, tests_left * *p_values[order[place]]));
    corrected[order[place]] = least;
  }
  return corrected;
}

std::vector<double> RanksOf(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t first = 0; first < order.size();) {
    size_t end = first + 1;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    const double shared = static_cast<double>(first + 1 + end) / 2;
    for (size_t i = first; i < end; ++i) ranks[order[i]] = shared;
    first = end;
  }
  return ranks;
}

std::optional<double> RankCorrelation(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size() || a.size() < 2) return std::nullopt;
  const std::vector<double> ranks_a = RanksOf(a);
  const std::vector<double> ranks_b = RanksOf(b);
  const double mean = static_cast<double>(a.size() + 1) / 2;
  double product = 0;
  double squares_a = 0;
  double squares_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += (ranks_a[i] - mean) * (ranks_b[i] - mean);
    squares_a += (ranks_a[i] - mean) * (ranks_a[i] - mean);
    squares_b += (ranks_b[i] - mean) * (ranks_b[i] - mean);
  }
  if (squares_a == 0 || squares_b == 0) return std::nullopt;
  return product / std::sqrt(squares_a * squares_b);
}

std::vector<bool> ParetoFront(const std::vector<FrontPoint>& points) {
  const auto usable = [](const FrontPoint& point) {
    return point.x.has_value() && point.y.has_value() && std::isfinite(*point.x) && std::isfinite(*point.y);
  };
  std::vector<size_t> order;
  for (size_t i = 0; i < points.size(); ++i) {
    if (usable(points[i])) order.push_back(i);
  }
  const auto key = [&](size_t i) { return std::pair(*points[i].x, *points[i].y); };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
  std::vector<bool> front(points.size());
  // From left to right, a point is on the front if it lies below all to its left, or equals the last one that does.
  std::optional<std::pair<double, double>> last;
  for (const size_t i : order) {
    front[i] = !last.has_value() || key(i).second < last->second || key(i) == *last;
    if (front[i]) last = key(i);
  }
  return front;
}

}  // namespace lwq::reporting
