// SPDX-License-Identifier: Apache-2.0
// Where connections get their credentials and their manners: the one place that knows how the two ends of a call trust
// each other.
//
// Thread-safety: free functions, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/rpc/caller_security.h"
#include "common/rpc/certificate_watch.h"
#include "grpcpp/channel.h"
#include "grpcpp/server_builder.h"

namespace lwq {

struct ChannelOptions {
  int max_receive_bytes = 4 << 20;
  // Pauses between attempts to connect: the first, the greatest.
  int initial_backoff_ms = 100;
  int max_backoff_ms = 1000;
  // An attempt, with the handshake of TLS and HTTP/2: a peer may be far away, or busy.
  int connect_timeout_ms = 5000;
  // A ping after so much silence, and how long its answer may take; 0: no pings.
  int keepalive_ms = 0;
  int keepalive_timeout_ms = 10'000;
  // Channels of one process with equal options share a connection unless they say this.
  bool own_connection = false;
  // Null: plaintext, and nothing is shown.
  std::shared_ptr<const CallerSecurity> security = nullptr;
};

// A channel to HOST:PORT. It connects when it is used; no proxy of the environment is asked.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const ChannelOptions& options);

// Makes `builder` listen on HOST:PORT; `port` is set to the one in use when the server is built. With `certificates`,
// which must outlive the server, only callers that speak TLS are served, and where there is a CA among them only
// callers with a certificate of it; null: plaintext.
void ListenOn(const std::string& address, grpc::ServerBuilder& builder, int* port,
              const CertificateWatch* certificates = nullptr);

}  // namespace lwq
