// SPDX-License-Identifier: Apache-2.0
// How long work is told to stop and says how far it is: computations of worker/qat and exports alike.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace lwq::qat {

// Set from any thread; computations look at it between micro-batches and return CANCELLED.
struct CancelToken {
  std::atomic<bool> cancelled{false};
};

struct Progress {
  std::string stage;  // "train", "validate", "advance", "evaluate", …
  int64_t step = 0;   // done
  int64_t steps = 0;  // in total, 0 when not known
  double loss = 0;    // last training loss; NaN where the stage has none
};
// Called from the computing thread, at most once per micro-batch; must return quickly.
using ProgressSink = std::function<void(const Progress&)>;

}  // namespace lwq::qat
