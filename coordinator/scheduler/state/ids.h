// SPDX-License-Identifier: Apache-2.0
// Names of runs and workers as types of their own, so that one cannot be passed for the other. Values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace lwq::coordinator {

template <typename Tag>
struct StrongId {
  std::string value;
  friend auto operator<=>(const StrongId&, const StrongId&) = default;
};

using RunId = StrongId<struct RunIdTag>;        // 12 hexadecimal digits
using SweepId = StrongId<struct SweepIdTag>;    // 12 hexadecimal digits
using WorkerId = StrongId<struct WorkerIdTag>;  // "w-<number>", never reused

// A moment as the core is told it: deadlines are on the steady clock, what people read is on the wall clock.
struct Instant {
  int64_t steady_ms = 0;
  int64_t unix_ms = 0;
};

}  // namespace lwq::coordinator
