// SPDX-License-Identifier: Apache-2.0
// How the runs of a sweep are handed to a coordinator, all of them or none.
#pragma once

#include <string>
#include <vector>

#include "client/pipeline/run_pipeline.h"
#include "common/sweep/sweep.h"

namespace lwq::client {

// The sweep as the wire has it. `specs` has one for each arm, in their order.
lwqat::v1::SweepSpec SpecOfSweep(const std::string& name, const std::vector<SweepArm>& arms, const RunSpecs& specs);

struct SubmittedSweep {
  std::string id;
  Runs runs;  // in the order of the specs, as they were accepted
};

// Begins all runs of the sweep under a request id of its own, or none.
StatusOr<SubmittedSweep> SubmitSweepAnew(RunApi* api, const lwqat::v1::SweepSpec& spec);

}  // namespace lwq::client
