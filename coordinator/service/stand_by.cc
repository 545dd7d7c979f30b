// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/stand_by.h"

#include <utility>
#include <vector>

#include "common/metrics/metrics_server.h"
#include "common/trace/trace_context.h"
#include "coordinator/election/election.h"
#include "coordinator/election/postgres_lease.h"
#include "coordinator/service/standby_server.h"
#include "spdlog/spdlog.h"

namespace lwq::coordinator {
namespace {

// How often a lease is asked for within its length, so that the time without a leader is little more than that.
constexpr int kAsksPerLease = 8;

// Says in the log, in the metrics and to callers who leads, when that changes.
class Known {
 public:
  Known(StandbyServer* server, CoordinatorMetrics* metrics) : server_(server), metrics_(metrics) {}

  void operator()(const StatusOr<Lead>& lead) {
    const std::string news = lead.ok() ? lead->address : std::string(MessageOf(lead.status()));
    metrics_->SetStoreOpen(lead.ok());
    server_->SetLeader(lead.ok() ? lead->address : "");
    if (news == news_) return;
    news_ = news;
    if (!lead.ok()) {
      spdlog::warn("standing by, and who leads is not known: {}", news);
    } else if (!lead->address.empty()) {
      spdlog::info("standing by: the coordinator at {} leads", lead->address);
    }
  }

 private:
  StandbyServer* const server_;
  CoordinatorMetrics* const metrics_;
  std::string news_;
};

}  // namespace

StatusOr<std::optional<Won>> StandBy(const StandByOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<StandbyServer> server,
                       StandbyServer::Start(options.listen, options.certificates, options.health_listen));
  std::unique_ptr<MetricsServer> metrics_server;
  if (!options.metrics_listen.empty()) {
    LWQ_ASSIGN_OR_RETURN(metrics_server, MetricsServer::Start(options.metrics_listen, {options.metrics->registry()}));
  }
  LWQ_RETURN_IF_ERROR(options.on_answering(server->address(), server->health_address()));
  Candidate candidate{.id = NewTraceId(), .address = options.advertise};  // random, as a trace's
  if (candidate.address.empty()) candidate.address = server->address();
  Won won{.lease = MakePostgresLease(options.store_uri, std::move(candidate), options.lease),
          .listen = server->address(),
          .health_listen = server->health_address()};
  if (options.by_force) {
    LWQ_RETURN_IF_ERROR(won.lease->TakeByForce());
    return won;
  }
  Known known(server.get(), options.metrics);
  const bool leads = AwaitLead(
      *won.lease, [&known](const StatusOr<Lead>& lead) { known(lead); },
      [&options] { return options.wait(options.lease / kAsksPerLease); });
  if (!leads) return std::nullopt;
  return won;
}

}  // namespace lwq::coordinator
