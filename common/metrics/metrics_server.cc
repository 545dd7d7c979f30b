// SPDX-License-Identifier: Apache-2.0
#include "common/metrics/metrics_server.h"

#include <exception>
#include <utility>

#include "common/rpc/address.h"
#include "prometheus/exposer.h"

namespace lwq {
namespace {

constexpr size_t kThreads = 2;

}  // namespace

StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& listen, std::vector<std::shared_ptr<prometheus::Collectable>> shown) {
  const StatusOr<HostPort> address = ParseHostPort(listen, /*allow_any_port=*/true);
  LWQ_RETURN_IF_ERROR(Annotate(address.status(), "metrics address (port 0 is chosen freely)"));
  std::unique_ptr<MetricsServer> server(new MetricsServer());
  server->shown_ = std::move(shown);
  // The web server takes numbers alone.
  const std::string host = address->host == "localhost" ? "127.0.0.1" : address->host;
  try {
    server->exposer_ = std::make_unique<prometheus::Exposer>(absl::StrCat(host, ":", address->port), kThreads);
  } catch (const std::exception& problem) {
    return absl::FailedPreconditionError(absl::StrCat("cannot serve metrics on ", listen, " (", problem.what(),
                                                      "): is the port in use, or the address another machine's?"));
  }
  const std::vector<int> ports = server->exposer_->GetListeningPorts();
  server->address_ = absl::StrCat(address->host, ":", ports.empty() ? address->port : ports.front());
  for (const auto& collectable : server->shown_) server->exposer_->RegisterCollectable(collectable);
  return server;
}

MetricsServer::~MetricsServer() = default;

}  // namespace lwq
