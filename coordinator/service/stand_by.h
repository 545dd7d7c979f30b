// SPDX-License-Identifier: Apache-2.0
// From a coordinator's start to its lead: of several that share a PostgreSQL database one leads, and the others answer
// with its address until its lease ends (docs/adr/0045-standby.md).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/rpc/certificate_watch.h"
#include "common/status/status.h"
#include "coordinator/election/lead_lease.h"
#include "coordinator/metrics/coordinator_metrics.h"

namespace lwq::coordinator {

struct StandByOptions {
  std::string store_uri;      // of a database that is migrated
  std::string listen;         // HOST:PORT
  std::string advertise;      // HOST:PORT that others are told; "": as bound
  std::string health_listen;  // "": none
  std::string metrics_listen;
  const CertificateWatch* certificates = nullptr;  // null: plaintext
  CoordinatorMetrics* metrics = nullptr;           // never null
  bool by_force = false;                           // leads at once, whoever does now
  std::chrono::milliseconds lease{3000};
  // Told once where it answers, before it asks for the lease.
  std::function<Status(const std::string& address, const std::string& health_address)> on_answering;
  // Waits so long before the lease is asked for again; false: this coordinator is to end.
  std::function<bool(std::chrono::milliseconds)> wait;
};

struct Won {
  std::unique_ptr<LeadLease> lease;  // taken
  std::string listen;                // where it answered until now, and is to serve
  std::string health_listen;
};

// Nothing: it is to end. Errors: an address that cannot be bound; with `by_force` also the database's.
StatusOr<std::optional<Won>> StandBy(const StandByOptions& options);

}  // namespace lwq::coordinator
