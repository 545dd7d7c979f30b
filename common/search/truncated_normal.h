// SPDX-License-Identifier: Apache-2.0
// The standard normal distribution between two ends: logarithms of its mass, and its quantiles.
//
// Pure; thread-safety: values.
#pragma once

namespace lwq::search {

// log φ(x), of the density.
double LogNormalDensity(double x);

// log Φ(x), to 1e-13 relative, also far to the left where Φ is no double any more.
double LogNormalCdf(double x);

// log(Φ(b) − Φ(a)) for a < b.
double LogNormalMass(double a, double b);

// log(Φ(middle + above) − Φ(middle − below)). Of a cell narrower than 1e-7 it is the density in the middle times the
// width: both the cell's ends and the difference of their masses would have lost their digits.
double LogNormalCellMass(double middle, double below, double above);

// The x in [a, b] with Φ(x) = Φ(a) + q·(Φ(b) − Φ(a)), for q in [0, 1] and a < b.
double TruncatedNormalQuantile(double q, double a, double b);

}  // namespace lwq::search
