// SPDX-License-Identifier: Apache-2.0
// The coordinator's gRPC server: RunService, SweepService, StorageService, WorkerService, health (grpc.health.v1, ""
// and each service; never asks for a token) and, where it is wanted, reflection; and a server for health alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/rpc/certificate_watch.h"
#include "common/status/status.h"
#include "coordinator/loop/runtime.h"
#include "coordinator/service/audit_log.h"
#include "coordinator/service/call_metrics.h"
#include "coordinator/service/desk.h"
#include "coordinator/service/gate.h"
#include "coordinator/service/run_service.h"
#include "coordinator/service/storage_service.h"
#include "coordinator/service/sweep_service.h"
#include "coordinator/service/token_book.h"
#include "coordinator/service/tracing.h"
#include "coordinator/service/worker_service.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // host:port; port 0 is chosen by the system
  std::string objects_uri;
  int64_t heartbeat_ms = 2000;
  std::string version;
  // Null: plaintext. Both must outlive the server.
  const CertificateWatch* certificates = nullptr;
  TokenBook* tokens = nullptr;  // null: nobody is asked for a token
  // host:port of a server of plaintext health alone: probes of Kubernetes speak neither TLS nor tokens. "": none.
  std::string health_listen;
  CoordinatorMetrics* metrics = nullptr;  // null: nothing is counted; must outlive the server
  OtlpExporter* spans = nullptr;          // null: no spans are sent; must outlive the server
  std::string audit_log;                  // file; "": none
  // Whether any caller may ask what services there are. Once on, on for every server of the process.
  bool reflection = true;
};

class Server {
 public:
  // Serves from the return on. The runtime must outlive the server. INVALID_ARGUMENT for an address that is not
  // host:port; FAILED_PRECONDITION when it cannot be bound.
  static StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, Runtime* runtime);
  ~Server();

  // host:port as bound.
  const std::string& address() const { return address_; }
  const std::string& health_address() const { return health_address_; }  // "": none
  // For callers within the process, over no network: each shows its token as others do, and no certificate.
  std::shared_ptr<grpc::Channel> InProcessChannel();
  // Health says NOT_SERVING from now on, and calls are served still.
  void Drain();
  // Drain; calls in flight get up to `grace_ms`, then are cut off. Stop the runtime before, so that what waits is
  // answered. Idempotent.
  void Shutdown(int64_t grace_ms);

 private:
  Server(const ServerOptions& options, Runtime* runtime);
  Status StartMain(const ServerOptions& options);
  Status AddListeners(const ServerOptions& options, grpc::ServerBuilder& builder);
  Status StartHealth(const std::string& listen);

  // Whoever asks what would be can wait for those who work.
  static constexpr BackgroundOptions kPreviews = {.threads = 1, .nice = 10};

  const Gate gate_;
  const Desk desk_;
  Tracing tracing_;
  std::unique_ptr<AuditLog> audit_log_;        // null: none
  std::unique_ptr<CallMetrics> call_metrics_;  // null: none
  Submissions submissions_;
  Background previews_;
  WatchMessages watch_messages_;
  RunServiceImpl run_service_;
  SweepServiceImpl sweep_service_;
  StorageServiceImpl storage_service_;
  WorkerServiceImpl worker_service_;
  std::string address_;
  std::string health_address_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::Server> health_server_;  // null: none
};

}  // namespace lwq::coordinator
