// SPDX-License-Identifier: Apache-2.0
// Interleaved timing: what is measured and what it is compared with take turns in one loop, so that both see the same
// machine.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

namespace lwq::qat::bench {

inline double Seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The least of several timings: what the work costs when nothing else runs. Other processes only ever add time.
inline double Best(const std::vector<double>& seconds) {
  return *std::min_element(seconds.begin(), seconds.end());
}

}  // namespace lwq::qat::bench
