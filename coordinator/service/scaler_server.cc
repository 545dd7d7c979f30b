// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/scaler_server.h"

#include <chrono>
#include <utility>

#include "coordinator/service/listening_server.h"

namespace lwq::coordinator {
namespace {

constexpr int kMaxQuestionBytes = 64 << 10;

}  // namespace

StatusOr<std::unique_ptr<ScalerServer>> ScalerServer::Start(const std::string& listen, Runtime* runtime,
                                                            const CertificateWatch* certificates,
                                                            const ScalerOptions& options) {
  auto server = std::unique_ptr<ScalerServer>(new ScalerServer(runtime, options));
  grpc::ServerBuilder builder;
  builder.RegisterService(&server->service_);
  builder.SetMaxReceiveMessageSize(kMaxQuestionBytes);
  LWQ_ASSIGN_OR_RETURN(ListeningServer listening, StartListening("scaler", listen, certificates, builder));
  server->server_ = std::move(listening.server);
  server->address_ = std::move(listening.address);
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
