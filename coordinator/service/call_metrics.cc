// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/call_metrics.h"

#include <chrono>
#include <future>

#include "coordinator/metrics/census.h"

namespace lwq::coordinator {
namespace {

constexpr std::chrono::seconds kPatience{2};

class StateCollectable final : public prometheus::Collectable {
 public:
  explicit StateCollectable(Runtime* runtime) : runtime_(runtime) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const auto census = std::make_shared<std::promise<Census>>();
    std::future<Census> taken = census->get_future();
    runtime_->Read([census](const State* state, Instant now) {
      // Without a state the promise is broken.
      if (state != nullptr) census->set_value(TakeCensus(*state, now.steady_ms));
    });
    if (taken.wait_for(kPatience) != std::future_status::ready) return {};
    try {
      return FamiliesOf(taken.get());
    } catch (const std::future_error&) {
      return {};
    }
  }

 private:
  Runtime* const runtime_;
};

}  // namespace

void CountReport(const State& state, const ReportTask& report, CoordinatorMetrics& metrics) {
  const auto found = state.tasks.find(report.task);
  if (found == state.tasks.end()) return;
  const TaskKind kind = found->second.record.def->kind;
  if (const auto* failure = std::get_if<ReportFailure>(&report.outcome)) {
    metrics.TaskFailed(kind, failure->cause, report.seconds);
    return;
  }
  const auto* success = std::get_if<ReportSuccess>(&report.outcome);
  if (success == nullptr) return metrics.TaskEnded(kind, CoordinatorMetrics::Outcome::kReleased, 0, 0, 0);
  int64_t bytes = 0;
  for (const auto& [role, artifact] : success->outputs) bytes += artifact.size_bytes;
  metrics.TaskEnded(
      kind, success->from_cache ? CoordinatorMetrics::Outcome::kFoundDone : CoordinatorMetrics::Outcome::kExecuted,
      report.seconds, bytes, report.peak_memory_bytes);
}

std::shared_ptr<prometheus::Collectable> CollectState(Runtime* runtime) {
  return std::make_shared<StateCollectable>(runtime);
}

}  // namespace lwq::coordinator
