// SPDX-License-Identifier: Apache-2.0
#include "common/metrics/metrics_server.h"

#include <httplib.h>

#include <chrono>
#include <utility>

#include "prometheus/text_serializer.h"

namespace lwq {
namespace {

constexpr size_t kThreads = 4;
constexpr std::chrono::seconds kPatience{2};
constexpr size_t kMostBodyBytes = 8 << 10;  // of a request, which needs none

}  // namespace

StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& listen, std::vector<std::shared_ptr<prometheus::Collectable>> shown) {
  auto server = std::make_unique<httplib::Server>();
  server->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server->set_read_timeout(kPatience);
  server->set_write_timeout(kPatience);
  server->set_keep_alive_timeout(kPatience.count());
  server->set_payload_max_length(kMostBodyBytes);
  server->Get("/metrics", [shown = std::move(shown)](const httplib::Request&, httplib::Response& response) {
    std::vector<prometheus::MetricFamily> families;
    for (const auto& collectable : shown) {
      for (prometheus::MetricFamily& family : collectable->Collect()) families.push_back(std::move(family));
    }
    response.set_content(prometheus::TextSerializer().Serialize(families), "text/plain; version=0.0.4; charset=utf-8");
  });
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<HttpListener> listener,
                       HttpListener::Start("metrics", listen, std::move(server)));
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(listener)));
}

}  // namespace lwq
