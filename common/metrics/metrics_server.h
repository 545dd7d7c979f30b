// SPDX-License-Identifier: Apache-2.0
// Prometheus text over plaintext HTTP, at /metrics: numbers alone, no secrets and nothing that users named.
//
// Served by cpp-httplib and not by prometheus-cpp's own server, whose threads have stacks of 100 KiB: less than what
// OpenBLAS and glog keep for every thread, so that a worker cannot start them (findings/civetweb_thread_stack.sh).
// A few connections at once, two seconds of patience with each: who connects and says nothing does not keep others
// waiting for long.
//
// Thread-safety: any thread. What it shows must outlive it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/http_server/http_listener.h"
#include "common/status/status.h"
#include "prometheus/collectable.h"

namespace lwq {

class MetricsServer {
 public:
  // On HOST:PORT; port 0 is chosen by the system. INVALID_ARGUMENT: no such address; FAILED_PRECONDITION: it cannot be
  // bound.
  static StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& listen,
                                                        std::vector<std::shared_ptr<prometheus::Collectable>> shown);

  // HOST:PORT as bound.
  const std::string& address() const { return listener_->address(); }

 private:
  explicit MetricsServer(std::unique_ptr<HttpListener> listener) : listener_(std::move(listener)) {}
  const std::unique_ptr<HttpListener> listener_;
};

}  // namespace lwq
