// SPDX-License-Identifier: Apache-2.0
// Parzen estimators, the split of trials and acquisition values against Optuna 4.9.0's own classes
// (golden/search/estimators.json), to 1e-9.
#include <cmath>

#include "common/search/tpe.h"
#include "gtest/gtest.h"
#include "tests/numerics/search/search_golden.h"

namespace lwq::search {
namespace {

using testing::CoordinatesOf;
using testing::ParameterOf;
using testing::SearchGolden;
using testing::SpaceOf;
using testing::ValueOf;

constexpr double kTolerance = 1e-9;

void ExpectClose(double seen, const Json& expected, const std::string& what) {
  const double wanted = expected;
  EXPECT_NEAR(seen, wanted, kTolerance * std::max(1.0, std::abs(wanted))) << what;
}

TEST(SearchEstimatorsTest, KernelsAndDensitiesAreOptunas) {
  size_t densities = 0;
  for (const Json& golden : SearchGolden("estimators")["kernels"]) {
    const SearchParameter parameter = ParameterOf(golden["parameter"]);
    const std::vector<double> observations = CoordinatesOf(parameter, golden["observations"]);
    const std::string what = parameter.name + " of " + std::to_string(observations.size()) + " observations";
    ASSERT_TRUE(CheckSearchSpace({parameter}).ok()) << CheckSearchSpace({parameter});
    const ParzenEstimator estimator(parameter, observations);
    if (parameter.kind == ParameterKind::kCategorical) {
      ASSERT_EQ(estimator.choice_masses().size(), golden["masses"].size()) << what;
      for (size_t i = 0; i < golden["masses"].size(); ++i) {
        ExpectClose(estimator.choice_masses()[i], golden["masses"][i], what + ": mass");
      }
    } else {
      ASSERT_EQ(estimator.kernels().size(), golden["weights"].size()) << what;
      for (size_t i = 0; i < golden["weights"].size(); ++i) {
        ExpectClose(estimator.kernels()[i].weight, golden["weights"][i], what + ": weight");
        ExpectClose(estimator.kernels()[i].centre, golden["centres"][i], what + ": centre");
        ExpectClose(estimator.kernels()[i].width, golden["widths"][i], what + ": width");
      }
    }
    const std::vector<double> candidates = CoordinatesOf(parameter, golden["candidates"]);
    for (size_t i = 0; i < candidates.size(); ++i, ++densities) {
      ExpectClose(estimator.LogDensity(candidates[i]), golden["log_densities"][i], what + ": log density");
    }
  }
  EXPECT_EQ(densities, 5 * (7 * 7 + 5));
}

std::vector<TpeTrial> TrialsOf(const SearchSpace& space, const Json& json) {
  std::vector<TpeTrial> trials;
  for (const Json& golden : json) {
    TpeTrial trial{{}, golden["objective"], std::nullopt};
    for (size_t p = 0; p < space.size(); ++p) trial.values.push_back(ValueOf(space[p], golden["values"][p]));
    if (golden.contains("stopped_at")) trial.stopped_at = golden["stopped_at"].get<int64_t>();
    trials.push_back(trial);
  }
  return trials;
}

ParzenEstimator EstimatorOf(const SearchSpace& space, size_t p, const std::vector<TpeTrial>& trials,
                            const std::vector<size_t>& chosen) {
  std::vector<double> coordinates;
  for (const size_t i : chosen) coordinates.push_back(CoordinateOf(space[p], trials[i].values[p]));
  return {space[p], coordinates};
}

TEST(SearchEstimatorsTest, SplitsAndAcquisitionValuesAreOptunasAlsoWithStoppedTrials) {
  const SearchSpace space = SpaceOf(SearchGolden("estimators")["space"]);
  ASSERT_TRUE(CheckSearchSpace(space).ok()) << CheckSearchSpace(space);
  for (const Json& golden : SearchGolden("estimators")["acquisitions"]) {
    const std::vector<TpeTrial> trials = TrialsOf(space, golden["trials"]);
    const TpeSplit split = SplitTrials(trials);
    EXPECT_EQ(split.better, golden["better"].get<std::vector<size_t>>()) << trials.size() << " trials";
    EXPECT_EQ(split.better.size() + split.rest.size(), trials.size());
    for (size_t p = 0; p < space.size(); ++p) {
      const ParzenEstimator better = EstimatorOf(space, p, trials, split.better);
      const ParzenEstimator rest = EstimatorOf(space, p, trials, split.rest);
      const Json& expected = golden["acquisitions"][p];
      const std::vector<double> candidates = CoordinatesOf(space[p], expected["candidates"]);
      for (size_t i = 0; i < candidates.size(); ++i) {
        ExpectClose(TpeAcquisition(better, rest, candidates[i]), expected["values"][i],
                    space[p].name + " of " + std::to_string(trials.size()) + " trials");
      }
    }
  }
}

}  // namespace
}  // namespace lwq::search
