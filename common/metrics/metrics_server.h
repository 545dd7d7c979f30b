// SPDX-License-Identifier: Apache-2.0
// Prometheus text over plaintext HTTP, at /metrics: numbers alone, no secrets and nothing that users named.
//
// Thread-safety: any thread. What it shows must outlive it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/status/status.h"
#include "prometheus/collectable.h"

namespace prometheus {
class Exposer;
}

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
  MetricsServer() = default;
  std::vector<std::shared_ptr<prometheus::Collectable>> shown_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::string address_;
};

}  // namespace lwq
