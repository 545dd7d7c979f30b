// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/standby_server.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/coordinator_addresses.h"
#include "coordinator/service/health.h"
#include "coordinator/service/listening_server.h"
#include "grpcpp/health_check_service_interface.h"

namespace lwq::coordinator {
namespace {

// Ends a call before a word of it is read.
class Refused final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Refused(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

void Shut(std::unique_ptr<grpc::Server>& server) {
  if (server == nullptr) return;
  server->Shutdown(std::chrono::system_clock::now());
  server->Wait();
  server.reset();
}

}  // namespace

grpc::ServerGenericBidiReactor* StandbyServer::Refusal::CreateReactor(grpc::GenericCallbackServerContext* context) {
  std::string leader;
  {
    const MutexLock lock(&mutex_);
    leader = leader_;
  }
  if (!leader.empty()) context->AddTrailingMetadata(kLeaderKey, leader);
  return new Refused(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                  leader.empty()
                                      ? "this coordinator stands by, and which one leads is not known"
                                      : absl::StrCat("this coordinator stands by; the one at ", leader, " leads")));
}

void StandbyServer::Refusal::SetLeader(const std::string& address) {
  const MutexLock lock(&mutex_);
  leader_ = address;
}

StatusOr<std::unique_ptr<StandbyServer>> StandbyServer::Start(const std::string& listen,
                                                              const CertificateWatch* certificates,
                                                              const std::string& health_listen) {
  std::unique_ptr<StandbyServer> standby(new StandbyServer);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(&standby->refusal_);
  LWQ_ASSIGN_OR_RETURN(ListeningServer main, StartListening("listen", listen, certificates, builder));
  standby->server_ = std::move(main.server);
  standby->address_ = std::move(main.address);
  SayHealth(*standby->server_, /*leads=*/false);
  if (health_listen.empty()) return standby;
  grpc::ServerBuilder health_builder;
  health_builder.SetMaxReceiveMessageSize(kMaxHealthBytes);
  LWQ_ASSIGN_OR_RETURN(ListeningServer health, StartListening("health", health_listen, nullptr, health_builder));
  standby->health_server_ = std::move(health.server);
  standby->health_address_ = std::move(health.address);
  SayHealth(*standby->health_server_, /*leads=*/false);
  return standby;
}

StandbyServer::~StandbyServer() {
  Shut(server_);
  Shut(health_server_);
}

void StandbyServer::SetLeader(const std::string& address) {
  refusal_.SetLeader(address);
}

}  // namespace lwq::coordinator
