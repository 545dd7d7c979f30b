// Submits a run to a local cluster so that the same command, given again, goes on with the run it left unfinished.
//
// The request id of each submission is kept in the state directory under the digest of the spec (which names every
// input by content). While that run is unfinished the same id is sent again, and the coordinator answers with that run.
#pragma once

#include "client/local/state_directory.h"
#include "client/rpc/run_api.h"
#include "common/status/status.h"

namespace lwq::client {

struct Submitted {
  lwqat::v1::Run run;
  bool resumed = false;  // it had been submitted before and was not finished
};

StatusOr<Submitted> SubmitOnce(RunApi* api, const StateDirectory& state, const lwqat::v1::RunSpec& spec);

}  // namespace lwq::client
