// SPDX-License-Identifier: Apache-2.0
// A server of its own for KEDA's questions, on an address of its own: who may ask how much work there is need not be
// able to reach anything else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/rpc/certificate_watch.h"
#include "common/status/status.h"
#include "coordinator/loop/runtime.h"
#include "coordinator/service/scaler_service.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

class ScalerServer {
 public:
  // Serves from the return on, with TLS where there are certificates. They and the runtime must outlive the server.
  // INVALID_ARGUMENT for an address that is not host:port; FAILED_PRECONDITION when it cannot be bound.
  static StatusOr<std::unique_ptr<ScalerServer>> Start(const std::string& listen, Runtime* runtime,
                                                       const CertificateWatch* certificates = nullptr,
                                                       const ScalerOptions& options = {});
  ~ScalerServer();

  // host:port as bound.
  const std::string& address() const { return address_; }
  // Calls in flight get up to `grace_ms`, then are cut off. Stop the runtime before. Idempotent.
  void Shutdown(int64_t grace_ms);

 private:
  ScalerServer(Runtime* runtime, const ScalerOptions& options) : service_(runtime, options) {}

  ScalerService service_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace lwq::coordinator
