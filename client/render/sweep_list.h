// SPDX-License-Identifier: Apache-2.0
// Sweeps as text and JSON. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/json/json.h"
#include "lwqat/v1/sweep.pb.h"

namespace lwq::client {

// "seed=3 wbits=2"; "-" where a run has no labels.
std::string LabelsText(const lwqat::v1::Sweep::Member& member);

// One line each: id, when, name.
std::string RenderSweepList(const std::vector<lwqat::v1::Sweep>& sweeps);
// The sweep and a line for each run.
std::string RenderSweep(const lwqat::v1::Sweep& sweep);

Json SweepToJson(const lwqat::v1::Sweep& sweep);

}  // namespace lwq::client
