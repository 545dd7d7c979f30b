// SPDX-License-Identifier: Apache-2.0
#include "coordinator/metrics/coordinator_metrics.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "common/metrics/families.h"
#include "common/status/status.h"

namespace lwq::coordinator {
namespace {

prometheus::Family<prometheus::Counter>& CounterIn(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
prometheus::Family<prometheus::Gauge>& GaugeIn(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}
prometheus::Family<prometheus::Histogram>& HistogramIn(prometheus::Registry& registry, const char* name,
                                                       const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

// By Outcome.
constexpr const char* kOutcomes[] = {"executed", "found_done", "released"};

std::string Text(std::string_view text) {
  return std::string(text);
}

}  // namespace

CoordinatorMetrics::CoordinatorMetrics(std::string_view version)
    : registry_(std::make_shared<prometheus::Registry>()),
      calls_(CounterIn(*registry_, "lwq_rpc_total", "Calls that have ended, by method and status code")),
      call_seconds_(HistogramIn(*registry_, "lwq_rpc_seconds",
                                "How long calls took; those that wait for a task or watch a run take long by nature")) {
  auto& seconds = HistogramIn(*registry_, "lwq_task_duration_seconds", "How long attempts at tasks took");
  auto& results = CounterIn(*registry_, "lwq_task_results_total",
                            "Tasks that workers reported: executed, found done by another, given back");
  auto& failures = CounterIn(*registry_, "lwq_task_failures_total", "Attempts at tasks that failed, by cause");
  auto& bytes = CounterIn(*registry_, "lwq_task_output_bytes_total", "Bytes of artifacts that tasks made");
  auto& peak = GaugeIn(*registry_, "lwq_task_peak_memory_bytes", "The most device memory a task of the kind took");
  for (const TaskKindTraits& kind : AllTaskKinds()) {
    const std::string name = Text(kind.name);
    OfKind& of_kind = kinds_[kind.kind];
    for (size_t i = 0; i < std::size(kOutcomes); ++i) {
      of_kind.results[i] = &results.Add({{"kind", name}, {"outcome", kOutcomes[i]}});
    }
    for (int i = 0; i < kFailureCauses; ++i) {
      const std::string cause = Text(FailureCauseName(static_cast<FailureCause>(i)));
      of_kind.failures[static_cast<size_t>(i)] = &failures.Add({{"kind", name}, {"cause", cause}});
    }
    of_kind.seconds = &seconds.Add({{"kind", name}}, TaskSecondsBuckets());
    of_kind.output_bytes = &bytes.Add({{"kind", name}});
    of_kind.peak_bytes = &peak.Add({{"kind", name}});
  }
  commit_seconds_ = &HistogramIn(*registry_, "lwq_commit_seconds", "How long commits to the store took")
                         .Add({}, CallSecondsBuckets());
  committed_ =
      &CounterIn(*registry_, "lwq_committed_changes_total", "Changes that were committed to the store").Add({});
  commit_failures_ = &CounterIn(*registry_, "lwq_commit_failures_total", "Commits that failed").Add({});
  store_open_ =
      &GaugeIn(*registry_, "lwq_store_open",
               "1 while the store is open and commits succeed; of one that stands by, while the database answers")
           .Add({});
  leads_ = &GaugeIn(*registry_, "lwq_leads", "1 while this coordinator leads, 0 while it stands by").Add({});
  GaugeIn(*registry_, "lwq_build_info", "1, with the version").Add({{"version", Text(version)}}).Set(1);
}

void CoordinatorMetrics::CallEnded(const MethodRule* rule, int code, double seconds) {
  const size_t row = rule == nullptr ? kMethods - 1 : static_cast<size_t>(rule->rpc);
  const int column = std::clamp(code, 0, kCodes - 1);
  const std::string method = rule == nullptr ? "other" : Text(rule->name);
  std::atomic<prometheus::Counter*>& counter = counters_[row][static_cast<size_t>(column)];
  // Whoever comes first makes it; a family gives the same one for the same labels.
  if (counter.load(std::memory_order_acquire) == nullptr) {
    const std::string name = absl::StatusCodeToString(static_cast<absl::StatusCode>(column));
    counter.store(&calls_.Add({{"method", method}, {"code", name}}), std::memory_order_release);
  }
  std::atomic<prometheus::Histogram*>& histogram = histograms_[row];
  if (histogram.load(std::memory_order_acquire) == nullptr) {
    histogram.store(&call_seconds_.Add({{"method", method}}, CallSecondsBuckets()), std::memory_order_release);
  }
  counter.load(std::memory_order_acquire)->Increment();
  histogram.load(std::memory_order_acquire)->Observe(seconds);
}

void CoordinatorMetrics::TaskEnded(TaskKind kind, Outcome outcome, double seconds, int64_t output_bytes,
                                   int64_t peak_memory_bytes) {
  const OfKind& of_kind = kinds_.at(kind);
  of_kind.results[static_cast<size_t>(outcome)]->Increment();
  if (outcome != Outcome::kExecuted) return;
  of_kind.seconds->Observe(seconds);
  of_kind.output_bytes->Increment(static_cast<double>(output_bytes));
  of_kind.peak_bytes->Set(std::max(of_kind.peak_bytes->Value(), static_cast<double>(peak_memory_bytes)));
}

void CoordinatorMetrics::TaskFailed(TaskKind kind, FailureCause cause, double seconds) {
  const OfKind& of_kind = kinds_.at(kind);
  of_kind.failures[static_cast<size_t>(cause)]->Increment();
  of_kind.seconds->Observe(seconds);
}

void CoordinatorMetrics::Committed(double seconds, size_t changes, bool ok) {
  commit_seconds_->Observe(seconds);
  if (ok) {
    committed_->Increment(static_cast<double>(changes));
  } else {
    commit_failures_->Increment();
    SetStoreOpen(false);
  }
}

void CoordinatorMetrics::SetStoreOpen(bool open) {
  store_open_->Set(open ? 1 : 0);
}

void CoordinatorMetrics::SetLeads(bool leads) {
  leads_->Set(leads ? 1 : 0);
}

}  // namespace lwq::coordinator
