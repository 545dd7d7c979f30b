// SPDX-License-Identifier: Apache-2.0
// One coordinator in this process with a durable store in a folder of its own: plain, or as a platform team runs it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "common/rpc/channel.h"
#include "coordinator/metrics/coordinator_metrics.h"
#include "coordinator/service/server.h"
#include "tests/testing/certificates.h"

namespace lwq::coordinator {

enum class Doors {
  kPlain,
  kTls,      // mutual TLS
  kSecured,  // mutual TLS, tokens, audit log, metrics
};

class BenchCluster {
 public:
  explicit BenchCluster(Doors doors);
  ~BenchCluster();

  // A run of so many tasks that do nothing.
  void Submit(int tasks);
  const std::string& address() const { return server_->address(); }
  // What a worker, or with `admin` whoever submits, shows.
  std::shared_ptr<const CallerSecurity> Security(bool admin) const;
  Runtime* runtime() { return runtime_.get(); }
  CoordinatorMetrics& metrics() { return metrics_; }

 private:
  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  void WriteSecrets(ServerOptions& options);

  const Doors doors_;
  std::filesystem::path directory_;
  const test::CertificateAuthority ca_{"CA"};
  CoordinatorMetrics metrics_{"bench"};
  std::unique_ptr<CertificateWatch> certificates_;
  std::unique_ptr<TokenBook> tokens_;
  SystemClock clock_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Server> server_;
};

}  // namespace lwq::coordinator
