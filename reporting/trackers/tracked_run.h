// SPDX-License-Identifier: Apache-2.0
// A run as programs that track experiments know runs: parameters, series of numbers by step, and numbers of the whole
// run. TensorBoard's, MLflow's and W&B's files are made of it. Pure: the same run, the same value.
//
//   train_loss/block_003, val_loss/block_003   by optimizer step of the block's training, where it noted epochs
//   blocks/NAME                                by layer: bits, sensitivity, initial_val_loss, best_val_loss, …
//   e2e/train_loss, e2e/grad_norm              by optimizer step of E2E-QP
//   eval/METRIC/TEXT, eval_fp/METRIC/TEXT      what was measured of the run's model and of the full-precision one
//   run/NAME                                   average_bits, stored_bits_per_weight, export_bytes, wall_seconds, …
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/json/json.h"
#include "lwqat/v1/run.pb.h"
#include "reporting/sweep/sweep_runs.h"

namespace lwq::reporting {

struct TrackedPoint {
  int64_t step = 0;
  double value = 0;
  int64_t unix_ms = 0;
};

struct TrackedSeries {
  std::string name = {};                  // letters, digits, "_", "-", "." and "/"; no part begins with "."
  std::vector<TrackedPoint> points = {};  // at least one; steps rise from each to the next
};

struct TrackedRun {
  std::string id = {};     // the coordinator's
  std::string name = {};   // for people; UTF-8
  std::string group = {};  // the sweep it is of, or empty
  lwqat::v1::RunState state = lwqat::v1::RUN_STATE_UNSPECIFIED;
  int64_t start_unix_ms = 0;
  std::optional<int64_t> end_unix_ms = {};
  std::map<std::string, Json> parameters = {};  // scalars: the recipe, model, calibration text, labels as "label.AXIS"
  std::vector<TrackedSeries> series = {};       // by name, each name once
  std::map<std::string, double> summary = {};   // eval/, eval_fp/ and run/ of the table above
};

// A longer series keeps points at even distances and its last: readers draw no more, and files stay of a size that does
// not depend on what workers report.
inline constexpr size_t kMostTrackedPoints = 10'000;

TrackedRun TrackRun(const SweepRun& run);

// Characters that a name in a tracker may not have become "_", as does the "." at the start of a part; at most 200 are
// kept.
std::string TrackedName(std::string_view text);

// A file below the folder that was asked for.
struct TrackerFile {
  std::string path = {};
  std::string content = {};
};

// "NAME-3f2a9c1e": unique among the runs of a coordinator, and a name for a file or folder.
std::string TrackedFolder(const TrackedRun& run);

}  // namespace lwq::reporting
