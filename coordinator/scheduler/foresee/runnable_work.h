// SPDX-License-Identifier: Apache-2.0
// How much work there is for a pool of equal workers, whether or not any of them is here: what an autoscaler asks.
// Pure; thread-safe.
//
// A task counts for a pool if a worker of the pool could begin it now: it is READY, no run or budget holds it back, its
// memory fits, and the device it is pinned to begins with the pool's. A task that is pinned to no device counts for
// an empty pool only where no worker that is here fits it, so that an export does not start an A100.
#pragma once

#include <cstdint>
#include <string>

#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

struct Pool {
  std::string device;  // how the bases of its workers' numerics classes begin; "" = any
  int64_t memory_bytes = 0;
};

struct RunnableWork {
  // Of the tasks that count, by what was learned of their kind (learning.h); a minute for one of which nothing was.
  double queued_seconds = 0;
  // Workers of the pool that execute a task.
  int64_t busy_workers = 0;
  // PENDING runs whose tasks would all fit the pool, where no worker of the pool is here: they are pinned to a device
  // only once one is, so that nothing else would ever start a pool that is empty.
  int64_t waiting_runs = 0;

  friend bool operator==(const RunnableWork&, const RunnableWork&) = default;
};

// `queued_seconds` is counted until it reaches `most_seconds`, which bounds the time this takes.
RunnableWork RunnableWorkFor(const State& state, const Pool& pool, double most_seconds);

}  // namespace lwq::coordinator
