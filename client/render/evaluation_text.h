// SPDX-License-Identifier: Apache-2.0
// What a run measured, as the table that `lwq eval` prints. Pure.
#pragma once

#include <string>

#include "lwqat/v1/run.pb.h"

namespace lwq::client {

// A row for what was measured of a model on a text or task, with a column for each metric.
std::string RenderEvaluation(const lwqat::v1::Run& run);

}  // namespace lwq::client
