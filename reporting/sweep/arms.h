// SPDX-License-Identifier: Apache-2.0
// Arms of a sweep: runs that are equal in all labels but the seed. What was measured over an arm's seeds, how it
// differs from a baseline arm, and what each axis does.
//
// Values are compared as the metric is (metric.h): of metrics that compare by their logarithm (perplexity) effects of
// axes are differences of logarithms, which for a perplexity are nats a token; of all others plain differences. Only
// finite values of runs that succeeded count.
//
// Runs of a method that draws nothing at random (rtn, none) come out the same with every seed: their arm's value stands
// beside each seed of another arm. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reporting/report.h"
#include "reporting/sweep/statistics.h"
#include "reporting/sweep/sweep_runs.h"

namespace lwq::reporting {

struct ArmValue {
  std::string measurement = {};                // MeasurementOf its runs: only values of one measurement are compared
  std::map<std::string, double> by_seed = {};  // "" for a run without a seed label
  MeanOfValues mean = {};
  // To the baseline arm's value; absent of the baseline itself, of another measurement, and where no seed is shared.
  std::optional<PairedDifference> difference = {};
  std::optional<double> holm = {};  // the difference's p-value, corrected over the table's column
  bool on_front = false;            // no arm has fewer stored bits and a lower mean of this measurement
};

struct Arm {
  std::string name = {};          // of its labels that differ between arms
  Labels labels = {};             // without the seed
  std::string model = {};         // digest of its files
  std::vector<size_t> runs = {};  // positions among the sweep's runs
  int64_t succeeded = 0;
  bool has_chance = false;                            // whether any of its runs draws something at random
  std::optional<double> stored_bits_per_weight = {};  // mean over its runs that quantize
  std::vector<std::optional<ArmValue>> values = {};   // by column; absent where nothing was measured
};

struct SweepArms {
  std::vector<ReportColumn> columns = {};
  std::vector<Arm> arms = {};  // in the order of their first runs
  // Labels that differ between arms: model, method, bits, group size, then others by name.
  std::vector<std::string> axes = {};
  size_t baseline = 0;                    // of the arms
  std::vector<std::string> remarks = {};  // what was left out of the statistics, and why; a line each
};

// `report` is BuildReport of the same runs. `baseline_run` is the position of a run of the baseline arm; without it the
// first arm that measured something. Where runs of an arm share a seed, the first that succeeded counts.
SweepArms BuildArms(const SweepRuns& sweep, const Report& report, std::optional<size_t> baseline_run);

// One value of an axis against the axis' reference value (that of the first arm), over the arms that differ in nothing
// else and have both.
struct AxisLevel {
  std::string value = {};  // "" where arms lack the label
  int64_t matched = 0;
  double mean = 0;            // of the metric at this value, over the matched arms
  double reference_mean = 0;  // of the same arms at the reference
  // Of (this - reference) over the matched arms; of logarithms where `in_logs`.
  double effect = 0;
  std::optional<double> standard_error = {};
};
struct AxisEffect {
  std::string axis = {};
  std::string reference = {};
  bool in_logs = false;
  std::vector<AxisLevel> levels = {};  // without the reference; those without a match have matched 0
};
// By axis, of one column.
std::vector<AxisEffect> AxisEffects(const SweepArms& arms, size_t column);

}  // namespace lwq::reporting
