// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/server.h"

#include <chrono>
#include <utility>

#include "coordinator/service/health.h"
#include "coordinator/service/listening_server.h"
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
    : gate_(options.tokens),
      desk_(runtime, &gate_),
      tracing_(options.spans),
      submissions_(&desk_, &tracing_),
      previews_(runtime, kPreviews),
      watch_messages_(runtime),
      run_service_(&desk_, &submissions_, &previews_, &watch_messages_, options.objects_uri, options.version),
      sweep_service_(&desk_, &submissions_, &previews_, &watch_messages_),
      storage_service_(&desk_),
      worker_service_(&desk_, options.metrics, &tracing_, options.objects_uri, options.heartbeat_ms) {}

Server::~Server() {
  Shutdown(0);
}

StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Runtime* runtime) {
  auto server = std::unique_ptr<Server>(new Server(options, runtime));
  grpc::EnableDefaultHealthCheckService(true);
  LWQ_RETURN_IF_ERROR(server->StartMain(options));
  if (!options.health_listen.empty()) LWQ_RETURN_IF_ERROR(server->StartHealth(options.health_listen));
  return server;
}

Status Server::StartMain(const ServerOptions& options) {
  if (options.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.RegisterService(&run_service_);
  builder.RegisterService(&sweep_service_);
  builder.RegisterService(&storage_service_);
  builder.RegisterService(&worker_service_);
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  LWQ_RETURN_IF_ERROR(AddListeners(options, builder));
  LWQ_ASSIGN_OR_RETURN(ListeningServer listening,
                       StartListening("listen", options.listen, options.certificates, builder));
  server_ = std::move(listening.server);
  address_ = std::move(listening.address);
  SayHealth(*server_, /*leads=*/true);
  return absl::OkStatus();
}

Status Server::AddListeners(const ServerOptions& options, grpc::ServerBuilder& builder) {
  std::vector<CallListener*> listeners;
  if (options.metrics != nullptr) {
    call_metrics_ = std::make_unique<CallMetrics>(options.metrics);
    listeners.push_back(call_metrics_.get());
  }
  if (options.spans != nullptr) listeners.push_back(&tracing_);
  if (!options.audit_log.empty()) {
    LWQ_ASSIGN_OR_RETURN(audit_log_, AuditLog::Open(options.audit_log, &gate_));
    listeners.push_back(audit_log_.get());
  }
  if (listeners.empty()) return absl::OkStatus();
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> observers;
  observers.push_back(ObserveCalls(std::move(listeners)));
  builder.experimental().SetInterceptorCreators(std::move(observers));
  return absl::OkStatus();
}

Status Server::StartHealth(const std::string& listen) {
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxHealthBytes);
  LWQ_ASSIGN_OR_RETURN(ListeningServer listening, StartListening("health", listen, nullptr, builder));
  health_server_ = std::move(listening.server);
  health_address_ = std::move(listening.address);
  SayHealth(*health_server_, /*leads=*/true);
  return absl::OkStatus();
}

std::shared_ptr<grpc::Channel> Server::InProcessChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return server_->InProcessChannel(arguments);
}

void Server::Drain() {
  if (server_ != nullptr) server_->GetHealthCheckService()->Shutdown();
  if (health_server_ != nullptr) health_server_->GetHealthCheckService()->Shutdown();
}

void Server::Shutdown(int64_t grace_ms) {
  Drain();
  const auto deadline = std::chrono::system_clock::now() + std::chrono::milliseconds(grace_ms);
  // Health last: probes are told NOT_SERVING for as long as anything is served.
  for (std::unique_ptr<grpc::Server>* server : {&server_, &health_server_}) {
    if (*server == nullptr) continue;
    (*server)->Shutdown(deadline);
    (*server)->Wait();
    server->reset();
  }
}

}  // namespace lwq::coordinator
