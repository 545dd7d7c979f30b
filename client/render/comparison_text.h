// SPDX-License-Identifier: Apache-2.0
// Methods side by side as text: what lwq compare ends with. Pure.
#pragma once

#include <string>

#include "reporting/sweep/sweep_report.h"

namespace lwq::client {

// A row for each arm, those of a width together: stored bits, what was measured (mean +/- standard error over its
// seeds), the device time and the peak of memory that making one of its models takes, and what became of runs that
// have no result. Below it a line for each of these, and for each remark.
std::string RenderComparison(const reporting::SweepReport& report);

}  // namespace lwq::client
