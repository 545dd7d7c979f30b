// SPDX-License-Identifier: Apache-2.0
// A run's report in a few lines, for the end of a table that has its measured values. Pure.
#pragma once

#include <string>

#include "reporting/files/run_report.h"

namespace lwq::client {

// Blocks and their bits, how far their losses fell, what it took, the recipe where it differs from the defaults, and
// the digest; a line each, those of nothing left out.
std::string RenderRunSummary(const reporting::RunReport& report);

}  // namespace lwq::client
