// SPDX-License-Identifier: Apache-2.0
// A sweep before it runs, as `lwq plan SWEEP.yaml` prints it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/json/json.h"
#include "common/sweep/sweep.h"
#include "lwqat/v1/sweep.pb.h"

namespace lwq::client {

// What a view of a sweep needs to know. `plan` has a plan for each arm.
struct SweepView {
  std::string name;
  int64_t combinations = 0;
  const std::vector<SweepArm>& arms;
  const lwqat::v1::SweepPlan& plan;
  std::vector<std::string> remarks;
};

// A row per arm (a column per axis; bits, stored bits, size and steps as planned), then how many runs and tasks there
// are, what is shared, what it costs, the sweep's remarks, and remarks of plans with how many arms share them.
std::string RenderSweep(const SweepView& sweep);

// {"name", "combinations", "remarks", "plan": SweepPlan without plans, "arms": [{"name", "labels", "overrides",
// "plan"}, …]}.
Json SweepToJson(const SweepView& sweep);

}  // namespace lwq::client
