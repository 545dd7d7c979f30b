// SPDX-License-Identifier: Apache-2.0
// From calls to what is counted of them; and the state as metrics show it, asked for when somebody scrapes.
//
// Thread-safety: any thread. Metrics and runtime must outlive these.
#pragma once

#include <memory>

#include "coordinator/loop/runtime.h"
#include "coordinator/metrics/coordinator_metrics.h"
#include "coordinator/service/call_observer.h"
#include "prometheus/collectable.h"

namespace lwq::coordinator {

class CallMetrics final : public CallListener {
 public:
  explicit CallMetrics(CoordinatorMetrics* metrics) : metrics_(metrics) {}
  void OnEnded(const EndedCall& call) override {
    metrics_->CallEnded(call.rule, call.status.error_code(), call.seconds);
  }

 private:
  CoordinatorMetrics* const metrics_;
};

// What a report, which the loop has taken, says of its task.
void CountReport(const State& state, const ReportTask& report, CoordinatorMetrics& metrics);

// Takes a census on the loop's thread; shows nothing of the state when the loop does not answer within two seconds.
std::shared_ptr<prometheus::Collectable> CollectState(Runtime* runtime);

}  // namespace lwq::coordinator
