// SPDX-License-Identifier: Apache-2.0
#include "common/http_server/http_listener.h"

#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>
#include <utility>

#include "common/rpc/address.h"

namespace lwq {
namespace {

// The library's own choice lets two programs share a port, and each would get some of the requests.
void OwnPort(int socket) {
  const int yes = 1;
  (void)::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

// "[::1]" without its brackets.
std::string HostName(std::string host) {
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

struct HttpListener::Serving {
  std::unique_ptr<httplib::Server> server;
  std::atomic<bool> ended = false;
  std::thread thread;

  ~Serving() {
    server->stop();
    if (thread.joinable()) thread.join();
  }
};

HttpListener::HttpListener(std::unique_ptr<Serving> serving, std::string address)
    : serving_(std::move(serving)), address_(std::move(address)) {}

HttpListener::~HttpListener() = default;

StatusOr<std::unique_ptr<HttpListener>> HttpListener::Start(std::string_view what, const std::string& listen,
                                                            std::unique_ptr<httplib::Server> server) {
  const StatusOr<HostPort> address = ParseHostPort(listen, /*allow_any_port=*/true);
  LWQ_RETURN_IF_ERROR(Annotate(address.status(), absl::StrCat(what, " address (port 0 is chosen freely)")));
  server->set_socket_options(OwnPort);
  const std::string host = HostName(address->host);
  int port = address->port;
  if (port == 0) port = server->bind_to_any_port(host);
  const bool bound = address->port == 0 ? port > 0 : server->bind_to_port(host, port);
  if (!bound) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot serve ", what, " on ", listen, ": is the port in use, or the address another machine's?"));
  }
  auto serving = std::make_unique<Serving>();
  serving->server = std::move(server);
  serving->thread = std::thread([serving = serving.get()] {
    (void)serving->server->listen_after_bind();
    serving->ended = true;
  });
  // Before it runs it cannot be stopped.
  while (!serving->server->is_running() && !serving->ended) std::this_thread::yield();
  if (serving->ended) return absl::FailedPreconditionError(absl::StrCat("cannot serve ", what, " on ", listen));
  return std::unique_ptr<HttpListener>(new HttpListener(std::move(serving), absl::StrCat(address->host, ":", port)));
}

}  // namespace lwq
