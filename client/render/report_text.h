// SPDX-License-Identifier: Apache-2.0
// The table that compares runs, as `lwq report` and `lwq local` print it. Pure.
#pragma once

#include <string>

#include "reporting/report.h"

namespace lwq::client {

// A row per row of the report; below it the recipes, what the numbers alone do not say, and where BOS was added.
std::string RenderReport(const reporting::Report& report);

}  // namespace lwq::client
