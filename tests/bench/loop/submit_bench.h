// SPDX-License-Identifier: Apache-2.0
// How fast runs are accepted: 500 runs of about 100 tasks, all of them other tasks, one after another, by 8 clients at
// once, and in one call.
#pragma once

#include <string>
#include <vector>

namespace lwq::bench {

// A row for each program, kind of run and way to submit; the programs take turns.
void CompareSubmissions(const std::vector<std::string>& programs);

}  // namespace lwq::bench
