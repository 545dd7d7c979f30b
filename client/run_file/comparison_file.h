// SPDX-License-Identifier: Apache-2.0
// A comparison of all ways of quantizing as a sweep file: what `lwq compare` runs, and prints for whoever wants to edit
// it first (--dry-run). docs/reports.md, "Methods side by side".
//
// Every arm has the run's model, calibration windows, texts and tasks. What tells arms apart (methods, policies,
// preparation, formats) is the comparison's to decide: what the run says of it is left out, with a remark.
//
// Pure but for the current folder, which relative paths are joined to. Errors: INVALID_ARGUMENT.
#pragma once

#include <string>
#include <vector>

#include "client/run_file/run_request.h"
#include "client/run_file/sweep_runs.h"
#include "common/status/status.h"

namespace lwq::client {

enum class ComparisonSize {
  kQuick,  // one width and seed, few windows, the first text: never more than the run itself asks for
  kFull,   // the run's width, else 4, 3 and 2 bits; three seeds
};

struct Comparison {
  std::string name;    // "tiny compare full"
  std::string origin;  // for messages
  std::string text;    // of the sweep file; its paths are absolute
  std::vector<std::string> remarks;
};

// `run` is complete (CompleteRunRequest). `arms` names those of comparison_arms.h that are wanted; none: all. Refused:
// an arm that there is none of, a run that measures nothing, a path that is not UTF-8.
StatusOr<Comparison> ComparisonOf(const RunRequest& run, ComparisonSize size, const std::vector<std::string>& arms);

// The runs that the text stands for. Errors as RunsOfSweep.
StatusOr<SweepRuns> RunsOfComparison(const Comparison& comparison);

}  // namespace lwq::client
