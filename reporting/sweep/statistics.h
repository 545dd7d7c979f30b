// SPDX-License-Identifier: Apache-2.0
// The statistics of a report: means, paired differences, p-values of Student's t, Holm's correction, rank correlations.
//
// Values are handed in finite; whoever has others leaves them out before. What cannot be told from the data (a spread
// of one value, a correlation with a constant) is absent, never invented. Checked against scipy by
// scripts/make_report_golden.
//
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lwq::reporting {

struct MeanOfValues {
  int64_t count = 0;
  double mean = 0;
  // Standard deviation of the sample over the root of its size. Absent for fewer than two values.
  std::optional<double> standard_error = std::nullopt;
};
// Of no values: count 0.
MeanOfValues MeanOf(const std::vector<double>& values);

// P(|T| >= |t|) of Student's t with that many degrees of freedom (at least 1). Of an infinite t it is 0.
double StudentTwoSided(double t, double degrees);

struct PairedDifference {
  int64_t pairs = 0;
  double mean = 0;  // of (value - baseline)
  std::optional<double> standard_error = std::nullopt;
  // Of the hypothesis that the mean is 0. Absent for fewer than two pairs, and where all differences are equal.
  std::optional<double> p_value = std::nullopt;
};
// Over the keys (seeds) that both have; with none, pairs is 0.
PairedDifference ComparePaired(const std::map<std::string, double>& values,
                               const std::map<std::string, double>& baseline);

// Holm's step-down correction of a family of tests, in the order given; absent ones are no part of the family.
std::vector<std::optional<double>> HolmCorrected(const std::vector<std::optional<double>>& p_values);

// Ranks from 1; equal values share the mean of their ranks.
std::vector<double> RanksOf(const std::vector<double>& values);

// Spearman's: Pearson's correlation of the ranks. Absent where the lengths differ, for fewer than two values, and where
// all values of a side are equal.
std::optional<double> RankCorrelation(const std::vector<double>& a, const std::vector<double>& b);

// For points of which less is better in both coordinates: whether no other point is as good in both and better in one.
// Equal points are on the front together. A point with a coordinate that is absent or not finite is not on it and keeps
// nobody from it.
struct FrontPoint {
  std::optional<double> x = {};
  std::optional<double> y = {};
};
std::vector<bool> ParetoFront(const std::vector<FrontPoint>& points);

}  // namespace lwq::reporting
