// SPDX-License-Identifier: Apache-2.0
// Prometheus text over plaintext HTTP, at /metrics: numbers alone, no secrets and nothing that users named.
//
// One request for each connection, two connections at once, five seconds for each: who connects and says nothing does
// not keep others waiting for long. It is our own for its threads: those of prometheus-cpp's server have stacks of 100
// KiB, which are smaller than what OpenBLAS and glog keep for every thread, so that a worker could not start them
// (findings/civetweb_thread_stack.sh).
//
// Thread-safety: any thread. What it shows must outlive it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/status/status.h"
#include "prometheus/collectable.h"

namespace lwq {

class MetricsServer {
 public:
  // On HOST:PORT; port 0 is chosen by the system. INVALID_ARGUMENT: no such address; FAILED_PRECONDITION: it cannot be
  // bound.
  static StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& listen,
                                                        std::vector<std::shared_ptr<prometheus::Collectable>> shown);
  ~MetricsServer();

  // HOST:PORT as bound.
  const std::string& address() const { return address_; }

 private:
  class Door;
  MetricsServer();
  std::unique_ptr<Door> door_;
  std::string address_;
};

}  // namespace lwq
