// SPDX-License-Identifier: Apache-2.0
// A search as a user wrote it: a tune file, or a run file and flags. docs/sweeps.md describes both.
//
// Errors: INVALID_ARGUMENT or NOT_FOUND, one line "file:line:column: what; what to do"; of flags "--flag: what".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/run_file/run_flags.h"
#include "client/run_file/run_request.h"
#include "client/run_file/search_axis.h"
#include "client/run_file/sweep_runs.h"
#include "common/search/plan_search.h"
#include "common/status/status.h"
#include "lwqat/v1/sweep.pb.h"

namespace lwq::client {

inline constexpr char kBlockLoss[] = "block_loss";
inline constexpr char kPerplexity[] = "perplexity";

struct TuneRequest {
  std::string origin = "command line";  // for messages
  std::string name;
  RunRequest base;
  std::vector<SearchAxis> axes;
  uint64_t seed = 0;
  int64_t batch = 9;
  int64_t startup = 10;
  std::optional<int64_t> trials;
  std::optional<double> budget_seconds;  // of device time
  std::string metric = kBlockLoss;
  bool halves = true;          // else every trial is trained through
  lwqat::v1::Halving halving;  // where it halves; its metric is `metric`
};

// The flags of a search; those of a run stand beside them.
struct TuneFlags {
  std::string file;
  std::vector<std::string> parameters;  // KEY=LOW..HIGH[:log] or KEY=VALUE,VALUE; take the place of the file's search
  std::optional<int64_t> trials;
  std::string budget;
  std::optional<int64_t> batch;
  std::optional<int64_t> seed;
  std::string halving;  // "none", "synchronous", "asynchronous"
  std::string metric;
};

// Whether the file is of a search: it has one of the keys `search`, `trials` and `budget`, or `base` and none that
// makes it a sweep. False for what cannot be read.
bool IsTuneFile(const std::string& path);

// Reads the file (one that is no tune file is read as a run file, which is the base), lays the flags over it and
// completes it: where nothing says what is searched it is Block-AP's two learning rates. Refused besides: neither
// trials nor a budget; a key that is searched and given as a flag; a run that trains nothing.
StatusOr<TuneRequest> LoadTune(const TuneFlags& flags, const RunFlags& run_flags);

// The file alone. `what` names it in messages; relative paths are joined to `directory` ("" leaves them).
StatusOr<TuneRequest> ParseTuneFile(std::string_view text, std::string_view what, const std::string& directory);

// The request of a trial: the base with these values, without an export, evaluated only where the metric asks for it,
// and not trained again with half the rates where it diverges unless the base says how often.
StatusOr<RunRequest> TrialRequest(const TuneRequest& tune, const std::vector<search::ParameterValue>& values);

// The base with these values: what the search was for.
StatusOr<RunRequest> TunedRequest(const TuneRequest& tune, const std::vector<search::ParameterValue>& values);

// The first batch as the runs of a sweep: what lwq plan shows. Purely as a plan: its runs are named by their values.
StatusOr<SweepRuns> FirstBatchRuns(const TuneRequest& tune);

// The values that the search begins with: those of its first batch.
StatusOr<std::vector<std::vector<search::ParameterValue>>> FirstBatch(const TuneRequest& tune);

search::SearchSettings SettingsOf(const TuneRequest& tune);

// "2h", "90m", "1h30m", "45s" in seconds.
StatusOr<double> ParseBudget(std::string_view text);

}  // namespace lwq::client
