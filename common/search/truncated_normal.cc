// SPDX-License-Identifier: Apache-2.0
#include "common/search/truncated_normal.h"

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <numbers>

namespace lwq::search {
namespace {

constexpr double kLogSqrtTwoPi = 0.91893853320467274178;
constexpr double kFarLeft = -35;  // from here on Φ(x) would soon be no normal double
constexpr double kNarrow = 1e-7;

double NormalCdf(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

double InverseErfc(double y) {
  using Policy = boost::math::policies::policy<boost::math::policies::promote_double<false>>;
  return boost::math::erfc_inv(y, Policy());
}

}  // namespace

double LogNormalDensity(double x) {
  return -x * x / 2 - kLogSqrtTwoPi;
}

double LogNormalCdf(double x) {
  if (x > 0) return std::log1p(-NormalCdf(-x));
  if (x > kFarLeft) return std::log(NormalCdf(x));
  // Laplace's asymptotic series of Mills' ratio; its sixth term is below 1e-13 here.
  const double square = 1 / (x * x);
  const double series = 1 - square * (1 - 3 * square * (1 - 5 * square * (1 - 7 * square * (1 - 9 * square))));
  return LogNormalDensity(x) - std::log(-x) + std::log(series);
}

double LogNormalMass(double a, double b) {
  if (a > 0) return LogNormalMass(-b, -a);
  if (b > 0) return std::log1p(-NormalCdf(a) - NormalCdf(-b));
  const double log_b = LogNormalCdf(b);
  return log_b + std::log1p(-std::exp(LogNormalCdf(a) - log_b));
}

double LogNormalCellMass(double middle, double below, double above) {
  if (below + above < kNarrow) return LogNormalDensity(middle) + std::log(below + above);
  return LogNormalMass(middle - below, middle + above);
}

double TruncatedNormalQuantile(double q, double a, double b) {
  // The nearer tail has the digits.
  if (a > 0) return -TruncatedNormalQuantile(1 - q, -b, -a);
  const double below = NormalCdf(a) + q * (NormalCdf(b) - NormalCdf(a));
  const double above = NormalCdf(-b) + (1 - q) * (NormalCdf(-a) - NormalCdf(-b));
  if (below <= 0) return NormalCdf(b) > 0 ? a : b;
  if (above <= 0) return b;
  const double x =
      below <= above ? -std::numbers::sqrt2 * InverseErfc(2 * below) : std::numbers::sqrt2 * InverseErfc(2 * above);
  return std::clamp(x, a, b);
}

}  // namespace lwq::search
