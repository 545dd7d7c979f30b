// SPDX-License-Identifier: Apache-2.0
// How the runs of a sweep are handed to a coordinator, all of them or none.
#pragma once

#include <string>
#include <vector>

#include "client/pipeline/run_pipeline.h"
#include "client/run_file/sweep_runs.h"

namespace lwq::client {

// The sweep as the wire has it. `specs` has one for each arm, in their order.
lwqat::v1::SweepSpec SpecOfSweep(const SweepRuns& sweep, const RunSpecs& specs);

struct SubmittedSweep {
  std::string id;
  Runs runs;  // in the order of the specs, as they were accepted
};

// Begins all runs of the sweep under a request id of its own, or none.
StatusOr<SubmittedSweep> SubmitSweepAnew(RunApi* api, const lwqat::v1::SweepSpec& spec);

// Goes on with the sweep that an earlier call with equal runs has begun, from whatever machine, and begins it where
// there is none; one that has ended without a result of each of its runs is begun anew. The request id follows from the
// runs, inputs by content, so nothing is kept on this disk. All runs or none.
StatusOr<SubmittedSweep> SubmitSweepAgain(RunApi* api, const lwqat::v1::SweepSpec& spec);

// The sweep that the coordinator answered with. `spec` is what it was submitted as.
SubmittedSweep SubmittedAs(const lwqat::v1::Sweep& sweep, const lwqat::v1::SweepSpec& spec);

}  // namespace lwq::client
