// SPDX-License-Identifier: Apache-2.0
// What answers at a coordinator's address while another leads: every call is UNAVAILABLE, in a line that names the one
// that leads, and with its address in the trailing metadata kLeaderKey (common/rpc/coordinator_addresses.h). Health is
// NOT_SERVING, but for the service kLiveService.
//
// Thread-safety: any thread.
#pragma once

#include <memory>
#include <string>

#include "common/rpc/certificate_watch.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

class StandbyServer {
 public:
  // Null: plaintext; they must outlive the server. `health_listen`: "" for no server of health alone. Errors:
  // listening_server.h.
  static StatusOr<std::unique_ptr<StandbyServer>> Start(const std::string& listen, const CertificateWatch* certificates,
                                                        const std::string& health_listen);
  ~StandbyServer();

  // HOST:PORT as bound.
  const std::string& address() const { return address_; }
  const std::string& health_address() const { return health_address_; }  // "": none
  // Who leads, as callers are told; "": it is not known.
  void SetLeader(const std::string& address);

 private:
  class Refusal final : public grpc::CallbackGenericService {
   public:
    grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;
    void SetLeader(const std::string& address);

   private:
    Mutex mutex_;
    std::string leader_ ABSL_GUARDED_BY(mutex_);
  };

  StandbyServer() = default;

  Refusal refusal_;
  std::string address_;
  std::string health_address_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::Server> health_server_;  // null: none
};

}  // namespace lwq::coordinator
