// SPDX-License-Identifier: Apache-2.0
#include "common/metrics/metrics_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/address.h"
#include "prometheus/text_serializer.h"

namespace lwq {
namespace {

constexpr size_t kThreads = 4;
constexpr std::chrono::seconds kPatience{2};
constexpr size_t kMostBodyBytes = 8 << 10;  // of a request, which needs none

// The library's own choice lets two programs share a port, and each would get some of the scrapes.
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

struct MetricsServer::Http {
  httplib::Server server;
  std::atomic<bool> ended = false;
  std::thread thread;

  ~Http() {
    server.stop();
    if (thread.joinable()) thread.join();
  }
};

MetricsServer::MetricsServer(std::unique_ptr<Http> http, std::string address)
    : http_(std::move(http)), address_(std::move(address)) {}

MetricsServer::~MetricsServer() = default;

StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& listen, std::vector<std::shared_ptr<prometheus::Collectable>> shown) {
  const StatusOr<HostPort> address = ParseHostPort(listen, /*allow_any_port=*/true);
  LWQ_RETURN_IF_ERROR(Annotate(address.status(), "metrics address (port 0 is chosen freely)"));
  auto http = std::make_unique<Http>();
  httplib::Server& server = http->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_socket_options(OwnPort);
  server.set_read_timeout(kPatience);
  server.set_write_timeout(kPatience);
  server.set_keep_alive_timeout(kPatience.count());
  server.set_payload_max_length(kMostBodyBytes);
  server.Get("/metrics", [shown = std::move(shown)](const httplib::Request&, httplib::Response& response) {
    std::vector<prometheus::MetricFamily> families;
    for (const auto& collectable : shown) {
      for (prometheus::MetricFamily& family : collectable->Collect()) families.push_back(std::move(family));
    }
    response.set_content(prometheus::TextSerializer().Serialize(families), "text/plain; version=0.0.4; charset=utf-8");
  });
  const std::string host = HostName(address->host);
  int port = address->port;
  if (port == 0) port = server.bind_to_any_port(host);
  const bool bound = address->port == 0 ? port > 0 : server.bind_to_port(host, port);
  if (!bound) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot serve metrics on ", listen, ": is the port in use, or the address another machine's?"));
  }
  http->thread = std::thread([http = http.get()] {
    (void)http->server.listen_after_bind();
    http->ended = true;
  });
  while (!server.is_running() && !http->ended) std::this_thread::yield();  // before that it cannot be stopped
  if (http->ended) return absl::FailedPreconditionError(absl::StrCat("cannot serve metrics on ", listen));
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(http), absl::StrCat(address->host, ":", port)));
}

}  // namespace lwq
