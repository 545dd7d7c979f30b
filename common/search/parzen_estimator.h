// SPDX-License-Identifier: Apache-2.0
// Parzen estimators of one parameter: a density made of a kernel for each observed value and one for the prior.
//
// Numbers: each kernel is a normal distribution cut off at the range's ends, in logarithms where the parameter is so
// spread; on a grid it is the mass between the halves of neighbouring steps. An observation's width is the larger
// distance to its neighbours, within [range / min(100, n + 2), range]; the prior is centred with the range as its
// width. Choices: each observation's kernel is its choice and the prior's share of all, so that none has no mass.
//
// The formulas are those of Optuna 4.9.0's univariate estimator with its defaults (prior_weight 1, magic clip, no
// endpoints); tests/numerics/search compares centres, widths, weights and densities with Optuna's own classes.
// J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, "Algorithms for hyper-parameter optimization" (NIPS 2011);
// S. Watanabe, "Tree-structured Parzen estimator" (arXiv:2304.11127).
//
// Pure; thread-safety: const methods may be called from any thread.
#pragma once

#include <vector>

#include "common/search/random_words.h"
#include "common/search/search_space.h"

namespace lwq::search {

// What the n observations weigh, oldest first, before the prior's 1: 1 each below 25; from 25 on the newest 25 weigh 1,
// older ones rise evenly from 1/n.
std::vector<double> ObservationWeights(size_t n);

class ParzenEstimator {
 public:
  struct Kernel {
    double weight = 0;    // of all kernels: 1
    double centre = 0;    // log where the parameter is
    double width = 0;     // the normal distribution's standard deviation, likewise
    double log_mass = 0;  // of the normal distribution between the ends
  };

  // Observations are coordinates of the parameter (search_space.h), oldest first. Requires a checked parameter and
  // values of it.
  ParzenEstimator(const SearchParameter& parameter, const std::vector<double>& observations);

  // Logarithm of the density of the coordinate (of its logarithm, where the parameter is spread so), or of the mass of
  // a value on a grid or of a choice.
  double LogDensity(double coordinate) const;

  // A coordinate drawn from the density; takes two draws of the row.
  double Draw(RandomRow& row) const;

  const std::vector<Kernel>& kernels() const { return kernels_; }              // of numbers; the prior is the last
  const std::vector<double>& choice_masses() const { return choice_masses_; }  // of choices

 private:
  void AddChoices(const std::vector<double>& observations);
  void AddKernels(const std::vector<double>& observations);
  double Spread(double number) const;

  SearchParameter parameter_;
  double half_step_ = 0;  // of a grid
  double low_ = 0;        // ends of the kernels, half a step outside a grid
  double high_ = 0;
  std::vector<Kernel> kernels_;
  std::vector<double> choice_masses_;
};

}  // namespace lwq::search
