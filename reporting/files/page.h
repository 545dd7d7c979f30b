// SPDX-License-Identifier: Apache-2.0
// A sweep's report as one HTML file that needs nothing else: no network, no other file.
//
// Its tables are plain HTML and hold every number; its plots are drawn by the page's script from the report's JSON,
// which the page carries. A Content-Security-Policy allows the page's own scripts by their digests, and no request to
// anywhere. What runs are called and what they say stands in it as text, whatever it is.
// Pure: the same runs, the same bytes.
#pragma once

#include <string>

#include "reporting/sweep/sweep_report.h"

namespace lwq::reporting {

std::string RenderPage(const SweepRuns& sweep, const SweepReport& report);

}  // namespace lwq::reporting
