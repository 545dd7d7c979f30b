// SPDX-License-Identifier: Apache-2.0
// A search carried out: batches of trials are submitted as sweeps, waited for, and read; what they gave decides the
// next (common/search/plan_search.h), until trials or budget are used up.
//
// It keeps nothing of its own: the runs at the coordinator are its state. Given again, it submits the same sweeps under
// the same request ids, is answered with the runs that are there, and goes on where it was. Thread-safety: one thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "client/base/console.h"
#include "client/rpc/run_api.h"
#include "client/run_file/tune_file.h"
#include "client/tune/tune_trials.h"
#include "common/search/plan_search.h"
#include "common/status/status.h"

namespace lwq::client {

struct TuneOutcome {
  std::string id;  // 12 digits of the search's identity
  std::vector<TuneTrial> trials;
  search::SearchStep last;  // why it ended
  double reused_seconds = 0;
};

// The trials' results, as the search's core takes them.
std::vector<search::SearchTrial> ResultsOf(const std::vector<TuneTrial>& trials);

// `base` is the run's spec with its inputs in the coordinator's store. Progress goes to `console` as lines, and on a
// terminal as a live region. Errors: INVALID_ARGUMENT where the first batch alone is expected to exceed the budget, or
// as SubmitSweep; FAILED_PRECONDITION where a batch was submitted before with other trials, since what an earlier one
// gave has changed; whatever ends a wait. Runs that were begun go on at the coordinator.
StatusOr<TuneOutcome> CarryOut(const TuneRequest& tune, const lwqat::v1::RunSpec& base, RunApi* api, Console* console);

}  // namespace lwq::client
