// SPDX-License-Identifier: Apache-2.0
// The coordinator over HTTP: the dashboard at /, and the API by the Connect protocol at /api/lwqat.v1.SERVICE/METHOD,
// in JSON or Protobuf. Every call goes through the coordinator's gRPC server, so that the same table says who may make
// it.
//
// Where the gRPC server has TLS, this has it with the same certificates, and the same demand for those of callers.
// Thread-safety: any thread. What it is made of must outlive it.
#pragma once

#include <memory>
#include <string>

#include "common/http_server/http_listener.h"
#include "common/rpc/certificate_watch.h"
#include "common/status/status.h"
#include "grpcpp/channel.h"

namespace lwq::coordinator {

struct WebServerOptions {
  std::string listen;  // HOST:PORT; port 0 is chosen by the system
  // Null: plain HTTP.
  const CertificateWatch* certificates = nullptr;
  // Nobody is asked for a token.
  bool anybody = false;
};

class WebServer {
 public:
  // `channel`: to the gRPC server, within the process. Errors of HttpListener::Start, and INTERNAL.
  static StatusOr<std::unique_ptr<WebServer>> Start(const WebServerOptions& options,
                                                    const std::shared_ptr<grpc::Channel>& channel);
  // Hangs up on streams, and ends once they have noticed.
  ~WebServer();

  // HOST:PORT as bound.
  const std::string& address() const { return listener_->address(); }
  // As a browser takes it.
  std::string url() const;

 private:
  class Handlers;
  WebServer(bool tls, std::unique_ptr<Handlers> handlers, std::unique_ptr<HttpListener> listener);

  const bool tls_;
  const std::unique_ptr<Handlers> handlers_;
  const std::unique_ptr<HttpListener> listener_;
};

}  // namespace lwq::coordinator
