// SPDX-License-Identifier: Apache-2.0
// A gRPC server on an address of its own: how each of the coordinator's doors is opened.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/rpc/certificate_watch.h"
#include "common/status/status.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

struct ListeningServer {
  std::unique_ptr<grpc::Server> server;  // never null
  std::string address;                   // HOST:PORT as bound
};

// Serves what `builder` has on HOST:PORT, on which no second process can listen; port 0 is chosen freely. With
// `certificates`, which must outlive the server, TLS; null: plaintext. INVALID_ARGUMENT for an address that is none,
// with `what` in front ("health"); FAILED_PRECONDITION where it cannot be bound.
StatusOr<ListeningServer> StartListening(std::string_view what, const std::string& listen,
                                         const CertificateWatch* certificates, grpc::ServerBuilder& builder);

}  // namespace lwq::coordinator
