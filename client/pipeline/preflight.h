// SPDX-License-Identifier: Apache-2.0
// What a coordinator would refuse, asked before anything is uploaded or submitted.
#pragma once

#include <vector>

#include "client/rpc/run_api.h"
#include "client/transfer/upload_run.h"

namespace lwq::client {

// The spec as UploadRun makes it of inputs that are all there already, with the inputs' true sizes and names that stand
// for the digests they will have: made from their paths, nothing is read. Good for a plan by a coordinator that knows
// no other run's inputs.
StatusOr<lwqat::v1::RunSpec> NameRun(const CheckedRun& run);

StatusOr<std::vector<lwqat::v1::RunSpec>> NameRuns(const std::vector<CheckedRun>& runs);

// Why a coordinator that refused the specs together did so: the error of the first run that it refuses, annotated with
// its origin; `refused` where it is not one of them, or no bad input.
Status ExplainRefusal(RunApi* api, const std::vector<CheckedRun>& runs, const std::vector<lwqat::v1::RunSpec>& specs,
                      const Status& refused);

// Asks the coordinator, in one call, whether it would accept the runs, inputs named by where they are on this disk:
// nothing is read, hashed or stored. The error is that of the first run it would refuse, annotated with its origin.
Status Preflight(RunApi* api, const std::vector<CheckedRun>& runs);

}  // namespace lwq::client
