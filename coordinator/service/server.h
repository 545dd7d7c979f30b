// SPDX-License-Identifier: Apache-2.0
// The coordinator's gRPC server: RunService, SweepService, StorageService, WorkerService, health (grpc.health.v1, ""
// and each service) and reflection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/status/status.h"
#include "coordinator/loop/runtime.h"
#include "coordinator/service/run_service.h"
#include "coordinator/service/storage_service.h"
#include "coordinator/service/sweep_service.h"
#include "coordinator/service/worker_service.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // host:port; port 0 is chosen by the system
  std::string objects_uri;
  int64_t heartbeat_ms = 2000;
  std::string version;
};

class Server {
 public:
  // Serves from the return on. The runtime must outlive the server. INVALID_ARGUMENT for an address that is not
  // host:port; FAILED_PRECONDITION when it cannot be bound.
  static StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, Runtime* runtime);
  ~Server();

  // host:port as bound.
  const std::string& address() const { return address_; }
  // Health says NOT_SERVING, calls in flight get up to `grace_ms`, then are cut off. Stop the runtime before, so that
  // what waits is answered. Idempotent.
  void Shutdown(int64_t grace_ms);

 private:
  Server(const ServerOptions& options, Runtime* runtime);

  // Whoever asks what would be can wait for those who work.
  static constexpr BackgroundOptions kPreviews = {.threads = 1, .nice = 10};

  Submissions submissions_;
  Background previews_;
  WatchMessages watch_messages_;
  RunServiceImpl run_service_;
  SweepServiceImpl sweep_service_;
  StorageServiceImpl storage_service_;
  WorkerServiceImpl worker_service_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace lwq::coordinator
