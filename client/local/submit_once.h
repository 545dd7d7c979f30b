// SPDX-License-Identifier: Apache-2.0
// Submits runs to a local cluster so that the same command, given again, goes on with those it left unfinished.
//
// The request id of each submission is kept in the state directory under the digest of the spec (which names every
// input by content). While that run is unfinished the same id is sent again, and the coordinator answers with that run.
#pragma once

#include <vector>

#include "client/local/state_directory.h"
#include "client/rpc/run_api.h"
#include "common/status/status.h"

namespace lwq::client {

struct Submitted {
  lwqat::v1::Run run;
  bool resumed = false;  // it had been submitted before and was not finished
};

// In the order of the specs. Of those that are no run yet, or no more than a finished one, all are begun or none.
StatusOr<std::vector<Submitted>> SubmitOnce(RunApi* api, const StateDirectory& state,
                                            const std::vector<lwqat::v1::RunSpec>& specs);

struct SubmittedSweepOnce {
  lwqat::v1::Sweep sweep;
  bool resumed = false;  // as Submitted's
};

// The same of a whole sweep: it is unfinished while one of its runs is pending or running.
StatusOr<SubmittedSweepOnce> SubmitSweepOnce(RunApi* api, const StateDirectory& state,
                                             const lwqat::v1::SweepSpec& spec);

}  // namespace lwq::client
