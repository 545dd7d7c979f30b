// SPDX-License-Identifier: Apache-2.0
// What the coordinator counts as it happens: calls, reports of tasks, commits. docs/metrics.md lists the names.
//
// Cardinality is bounded by the calls, kinds of tasks and causes there are: no label has a name that a caller chose.
// Thread-safety: any thread; an observation costs a few atomic additions and the lock of a histogram.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string_view>

#include "common/task/task_kind.h"
#include "coordinator/access/method_rules.h"
#include "coordinator/scheduler/state/retry.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace lwq::coordinator {

class CoordinatorMetrics {
 public:
  explicit CoordinatorMetrics(std::string_view version);

  // `rule` null: another's call, such as health; `code` as absl and gRPC number them.
  void CallEnded(const MethodRule* rule, int code, double seconds);
  enum class Outcome { kExecuted, kFoundDone, kReleased };
  void TaskEnded(TaskKind kind, Outcome outcome, double seconds, int64_t output_bytes, int64_t peak_memory_bytes);
  void TaskFailed(TaskKind kind, FailureCause cause, double seconds);
  void Committed(double seconds, size_t changes, bool ok);
  // The store is open, or not any more.
  void SetStoreOpen(bool open);
  // Whether it leads; false: it stands by.
  void SetLeads(bool leads);

  const std::shared_ptr<prometheus::Registry>& registry() const { return registry_; }

 private:
  static constexpr int kCodes = 17;
  // With a row for other calls, the last.
  static constexpr size_t kMethods = static_cast<size_t>(
#define LWQ_METHOD(service, method, role, rule) 1 +
#include "coordinator/access/methods.inc"
#undef LWQ_METHOD
      1);

  const std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Histogram>& call_seconds_;
  // There from the start, so that what has not happened yet is 0 and not missing.
  struct OfKind {
    std::array<prometheus::Counter*, 3> results{};  // by Outcome
    std::array<prometheus::Counter*, kFailureCauses> failures{};
    prometheus::Histogram* seconds = nullptr;
    prometheus::Counter* output_bytes = nullptr;
    prometheus::Gauge* peak_bytes = nullptr;
  };
  std::map<TaskKind, OfKind> kinds_;
  prometheus::Histogram* commit_seconds_;
  prometheus::Counter* committed_;
  prometheus::Counter* commit_failures_;
  prometheus::Gauge* store_open_;
  prometheus::Gauge* leads_;
  // Filled when they are first counted.
  std::array<std::array<std::atomic<prometheus::Counter*>, kCodes>, kMethods> counters_{};
  std::array<std::atomic<prometheus::Histogram*>, kMethods> histograms_{};
};

}  // namespace lwq::coordinator
