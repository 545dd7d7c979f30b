// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/scaler_server.h"

#include <chrono>

#include "common/rpc/address.h"
#include "common/rpc/channel.h"

namespace lwq::coordinator {
namespace {

constexpr int kMaxQuestionBytes = 64 << 10;

}  // namespace

StatusOr<std::unique_ptr<ScalerServer>> ScalerServer::Start(const std::string& listen, Runtime* runtime,
                                                            const CertificateWatch* certificates,
                                                            const ScalerOptions& options) {
  const StatusOr<HostPort> parsed = ParseHostPort(listen, /*allow_any_port=*/true);
  LWQ_RETURN_IF_ERROR(Annotate(parsed.status(), "scaler address (port 0 is chosen freely)"));
  auto server = std::unique_ptr<ScalerServer>(new ScalerServer(runtime, options));
  grpc::ServerBuilder builder;
  int port = 0;
  ListenOn(listen, builder, &port, certificates);
  builder.RegisterService(&server->service_);
  builder.SetMaxReceiveMessageSize(kMaxQuestionBytes);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || port == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", listen, ": is the port in use, or the address another machine's?"));
  }
  server->address_ = absl::StrCat(parsed->host, ":", port);
  return server;
}

ScalerServer::~ScalerServer() {
  Shutdown(0);
}

void ScalerServer::Shutdown(int64_t grace_ms) {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(grace_ms));
  server_->Wait();
  server_.reset();
}

}  // namespace lwq::coordinator
