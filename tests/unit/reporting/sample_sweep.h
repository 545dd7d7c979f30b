// SPDX-License-Identifier: Apache-2.0
// A small sweep for tests of reports.
#pragma once

#include <string>

#include "reporting/sweep/sweep_runs.h"

namespace lwq::test {

// A run of method at bits that succeeded, with a task "tokens" of 4 s that every such run has and one of its own.
reporting::SweepRun ArmRun(const std::string& method, int bits, const std::string& seed, double perplexity);

// Eight runs: rtn at 2 and 3 bits without a seed (perplexity 8 and 2.5), block_ap at 2 bits with seeds 1 to 3
// (1.9, 2.0, 2.1), and at 3 bits with the same (1.45, 1.5, 1.55). All of one model.
reporting::SweepRuns SampleSweep();

}  // namespace lwq::test
