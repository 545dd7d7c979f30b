// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/server.h"

#include <chrono>

#include "common/rpc/address.h"
#include "common/rpc/channel.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"

namespace lwq::coordinator {
namespace {

// A submission carries one config.json and names of artifacts; reports carry metrics. Never tensors.
constexpr int kMaxReceiveBytes = 16 << 20;
// Clients may ping this often to notice a dead connection.
constexpr int kMinPingIntervalMs = 5'000;
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;

}  // namespace

Server::Server(const ServerOptions& options, Runtime* runtime)
    : submissions_(runtime),
      previews_(runtime, kPreviews),
      watch_messages_(runtime),
      run_service_(runtime, &submissions_, &previews_, &watch_messages_, options.objects_uri, options.version),
      sweep_service_(runtime, &submissions_, &previews_, &watch_messages_),
      storage_service_(runtime),
      worker_service_(runtime, options.objects_uri, options.heartbeat_ms) {}

Server::~Server() {
  Shutdown(0);
}

StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Runtime* runtime) {
  const StatusOr<HostPort> listen = ParseHostPort(options.listen, /*allow_any_port=*/true);
  LWQ_RETURN_IF_ERROR(Annotate(listen.status(), "listen address (port 0 is chosen freely)"));
  auto server = std::unique_ptr<Server>(new Server(options, runtime));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  ListenOn(options.listen, builder, &port);
  builder.RegisterService(&server->run_service_);
  builder.RegisterService(&server->sweep_service_);
  builder.RegisterService(&server->storage_service_);
  builder.RegisterService(&server->worker_service_);
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  // Two coordinators must not share a port by accident.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || port == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", options.listen, ": is the port in use, or the address another machine's?"));
  }
  server->address_ = absl::StrCat(listen->host, ":", port);
  auto* health = server->server_->GetHealthCheckService();
  health->SetServingStatus(std::string(lwqat::v1::RunService::service_full_name()), true);
  health->SetServingStatus(std::string(lwqat::v1::SweepService::service_full_name()), true);
  health->SetServingStatus(std::string(lwqat::v1::StorageService::service_full_name()), true);
  health->SetServingStatus(std::string(lwqat::v1::WorkerService::service_full_name()), true);
  return server;
}

void Server::Shutdown(int64_t grace_ms) {
  if (server_ == nullptr) return;
  server_->GetHealthCheckService()->Shutdown();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(grace_ms));
  server_->Wait();
  server_.reset();
}

}  // namespace lwq::coordinator
