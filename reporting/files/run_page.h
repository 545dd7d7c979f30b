// SPDX-License-Identifier: Apache-2.0
// A run's report as one HTML file that needs nothing else, as page.h has it for a sweep: what was planned for each
// block and what became of it, what was measured, how the losses went, what it took, who did what when, and what the
// result can be told by. Pure: the same report, the same bytes.
#pragma once

#include <string>

#include "reporting/files/run_report.h"

namespace lwq::reporting {

std::string RenderRunPage(const RunReport& report);

}  // namespace lwq::reporting
