// SPDX-License-Identifier: Apache-2.0
// Whole searches by TPE against 120 studies of Optuna 4.9.0 (golden/search/studies.json). Their random numbers differ,
// so means are compared: of 30 seeds, 60 trials each, on three objectives. Searches in batches of ten are compared with
// 40 studies that are asked for ten trials at a time, with constant_liar (golden/search/batches.json).
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <numeric>

#include "common/search/plan_search.h"
#include "common/search/tpe.h"
#include "gtest/gtest.h"
#include "tests/numerics/search/search_golden.h"

namespace lwq::search {
namespace {

using Values = std::vector<ParameterValue>;

double FloatOf(const ParameterValue& value) {
  return std::get<double>(value);
}

SearchParameter Range(const std::string& name, double low, double high) {
  SearchParameter parameter;
  parameter.name = name;
  parameter.low = low;
  parameter.high = high;
  return parameter;
}

SearchParameter WholeRange(const std::string& name, double low, double high) {
  SearchParameter parameter = Range(name, low, high);
  parameter.kind = ParameterKind::kInt;
  return parameter;
}

double Branin(const Values& values) {
  constexpr double kPi = std::numbers::pi;
  const double x = FloatOf(values[0]);
  const double y = FloatOf(values[1]);
  const double valley = y - 5.1 / (4 * kPi * kPi) * x * x + 5 / kPi * x - 6;
  return valley * valley + 10 * (1 - 1 / (8 * kPi)) * std::cos(x) + 10;
}

double Hartmann6(const Values& values) {
  using Row = std::array<double, 6>;
  constexpr std::array<Row, 4> kA = {
      {{10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14}}};
  constexpr std::array<Row, 4> kP = {{{1312, 1696, 5569, 124, 8283, 5886},
                                      {2329, 4135, 8307, 3736, 1004, 9991},
                                      {2348, 1451, 3522, 2883, 3047, 6650},
                                      {4047, 8828, 8732, 5743, 1091, 381}}};
  constexpr std::array<double, 4> kAlpha = {1.0, 1.2, 3.0, 3.2};
  double sum = 0;
  for (size_t i = 0; i < 4; ++i) {
    double exponent = 0;
    for (size_t j = 0; j < 6; ++j) {
      const double distance = FloatOf(values[j]) - 1e-4 * kP[i][j];
      exponent += kA[i][j] * distance * distance;
    }
    sum -= kAlpha[i] * std::exp(-exponent);
  }
  return sum;
}

double Mixed(const Values& values) {
  const double rate = std::log10(FloatOf(values[0])) + 3;
  const double batch = std::log2(static_cast<double>(std::get<int64_t>(values[1]))) - 3;
  const double group = (static_cast<double>(std::get<int64_t>(values[2])) - 128) / 64;
  const double dropout = FloatOf(values[3]) - 0.15;
  const std::string& policy = std::get<std::string>(values[4]);
  const double penalty = policy == "uniform" ? 0.6 : policy == "mpq" ? 0.3 : policy == "joint" ? 0.9 : 0;
  return rate * rate + 0.5 * batch * batch + group * group + 20 * dropout * dropout + penalty;
}

struct Objective {
  std::string name;
  SearchSpace space;
  std::function<double(const Values&)> value;
};

std::vector<Objective> Objectives() {
  Objective branin{"branin", {Range("x", -5, 10), Range("y", 0, 15)}, Branin};
  Objective hartmann{"hartmann6", {}, Hartmann6};
  for (int i = 0; i < 6; ++i) hartmann.space.push_back(Range("x" + std::to_string(i), 0, 1));
  Objective mixed{"mixed", {}, Mixed};
  mixed.space = {Range("rate", 1e-5, 1e-1),
                 WholeRange("batch", 1, 64),
                 WholeRange("group", 32, 256),
                 Range("dropout", 0, 0.5),
                 {}};
  mixed.space[0].log = true;
  mixed.space[1].log = true;
  mixed.space[2].step = 32;
  mixed.space[3].step = 0.05;
  mixed.space[4].name = "policy";
  mixed.space[4].kind = ParameterKind::kCategorical;
  mixed.space[4].choices = {"uniform", "mpq", "sgra", "joint"};
  return {branin, hartmann, mixed};
}

constexpr uint64_t kTrials = 60;

double BestOfSearch(const Objective& objective, uint64_t seed, uint64_t trials, const TpeSettings& settings) {
  std::vector<TpeTrial> done;
  double best = std::numeric_limits<double>::infinity();
  for (uint64_t number = 0; number < trials; ++number) {
    const auto values = SuggestByTpe(objective.space, done, seed, number, settings);
    LWQ_CHECK(values.ok(), values.status().ToString());
    done.push_back({*values, objective.value(*values), std::nullopt});
    best = std::min(best, done.back().objective);
  }
  return best;
}

std::vector<double> BestOfSearches(const Objective& objective, uint64_t seeds, const TpeSettings& settings = {}) {
  std::vector<double> best;
  for (uint64_t seed = 0; seed < seeds; ++seed) best.push_back(BestOfSearch(objective, seed, kTrials, settings));
  return best;
}

double MeanOf(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double VarianceOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += (value - MeanOf(values)) * (value - MeanOf(values));
  return sum / static_cast<double>(values.size() - 1);
}

TEST(SearchStudiesTest, TheMeanBestValueOfThirtySeedsLiesWhereOptunasMeansLieAndThatOfRandomSearchesDoesNot) {
  for (const Objective& objective : Objectives()) {
    const Json& optuna = testing::SearchGolden("studies")[objective.name];
    ASSERT_EQ(optuna["trials"], kTrials);
    const double low = optuna["interval_of_30"][0];
    const double high = optuna["interval_of_30"][1];
    const double mean = MeanOf(BestOfSearches(objective, 30));
    EXPECT_GE(mean, low) << objective.name;
    EXPECT_LE(mean, high) << objective.name;
    TpeSettings random;
    random.startup_trials = kTrials;
    const double random_mean = MeanOf(BestOfSearches(objective, 30, random));
    EXPECT_GT(random_mean, high) << objective.name;
    RecordProperty(objective.name, absl::StrCat("mean ", mean, ", of random searches ", random_mean));
  }
}

TEST(SearchStudiesTest, OfAsManySearchesAsStudiesTheMeansDifferByLessThanThreeStandardErrors) {
  for (const Objective& objective : Objectives()) {
    const Json& optuna = testing::SearchGolden("studies")[objective.name];
    const auto studies = optuna["studies"].get<uint64_t>();
    const std::vector<double> best = BestOfSearches(objective, studies);
    const double deviation = optuna["deviation"];
    const double error = std::sqrt((VarianceOf(best) + deviation * deviation) / static_cast<double>(studies));
    EXPECT_NEAR(MeanOf(best), optuna["mean"].get<double>(), 3 * error) << objective.name;
    RecordProperty(objective.name, absl::StrCat("mean ", MeanOf(best), ", deviation ", std::sqrt(VarianceOf(best)),
                                                ", error of the difference ", error));
  }
}

// Of a search in batches, `startup` of whose trials are points of the sequence.
double BestInBatches(const Objective& objective, uint64_t seed, int64_t batch, int64_t startup) {
  SearchSettings settings;
  settings.space = objective.space;
  settings.seed = seed;
  settings.batch = batch;
  settings.startup_trials = startup;
  settings.trials = static_cast<int64_t>(kTrials);
  std::vector<SearchTrial> trials;
  while (true) {
    const auto step = PlanSearch(settings, trials, std::nullopt);
    LWQ_CHECK(step.ok(), step.status().ToString());
    if (step->kind != SearchStep::Kind::kTry) break;
    for (const Values& values : step->batch) {
      trials.push_back({values, TrialOutcome::kEnded, objective.value(values), 0, 0});
    }
  }
  return trials[*BestTrial(trials)].objective;
}

TEST(SearchStudiesTest, SearchesInBatchesAreNoWorseThanOptunasAndBetterThanTheSequenceAlone) {
  for (const Objective& objective : Objectives()) {
    const Json& golden = testing::SearchGolden("batches");
    const Json& optuna = golden["constant_liar"][objective.name];
    ASSERT_EQ(optuna["trials"], kTrials);
    std::vector<double> best;
    std::vector<double> points;
    for (uint64_t seed = 0; seed < 30; ++seed) {
      best.push_back(BestInBatches(objective, seed, golden["batch"], 10));
      points.push_back(BestInBatches(objective, seed, golden["batch"], static_cast<int64_t>(kTrials)));
    }
    const double deviation = optuna["deviation"];
    const double error = std::sqrt(VarianceOf(best) / 30 + deviation * deviation / optuna["studies"].get<double>());
    EXPECT_LT(MeanOf(best), optuna["mean"].get<double>() + 3 * error) << objective.name;
    EXPECT_LT(MeanOf(best), MeanOf(points)) << objective.name;
    RecordProperty(objective.name, absl::StrCat("mean ", MeanOf(best), " ± ", std::sqrt(VarianceOf(best) / 30),
                                                ", of points alone ", MeanOf(points)));
  }
}

}  // namespace
}  // namespace lwq::search
