// SPDX-License-Identifier: Apache-2.0
// The worker process: register, lease, execute, report, until drained.
//
// Threads: the caller's thread is the compute thread and runs the session's loop; one thread sends heartbeats; one
// waits for signals and the preemption file; one deletes discarded artifacts. gRPC has its own. Tensor work never
// leaves the compute thread.
#pragma once

#include <cstdint>
#include <string>

#include "common/object_store/uri_policy.h"
#include "common/rpc/caller_security.h"
#include "common/status/status.h"

namespace lwq::worker {

struct DaemonOptions {
  std::string coordinator;      // HOST:PORT, or several (coordinator_addresses.h)
  std::string device = "cpu";   // "cpu" | "cuda:N"
  std::string name;             // stable over restarts; default host:pid
  std::string cache_directory;  // local cache and scratch; one worker each
  std::string objects_uri;      // empty: as the coordinator says
  int max_threads = 1;
  int64_t memory_limit_bytes = 0;  // 0: none
  int64_t cache_bytes = 8LL << 30;
  // Where the object store may be that the coordinator names; one given by objects_uri is trusted.
  UriPolicyOptions allowed;
  CallerFiles security;        // certificates and token, shown to the coordinator
  std::string metrics_listen;  // HOST:PORT of Prometheus metrics over HTTP; empty: none
  std::string otlp_endpoint;   // where spans are sent (OtlpOptions::endpoint); empty: nowhere
  int64_t drain_ms = 20'000;   // after SIGTERM a task may go on this long, then it is given back
  // At least so long between two checkpoints of a task; 0: none are stored.
  double checkpoint_interval_seconds = 60;
  std::string preemption_file;  // when it appears it is as SIGTERM; empty: none
};

// Returns when the worker has drained (OK) or cannot go on. SIGTERM and SIGINT MUST be blocked in the calling thread.
Status RunDaemon(const DaemonOptions& options);

}  // namespace lwq::worker
