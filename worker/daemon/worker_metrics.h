// SPDX-License-Identifier: Apache-2.0
// What a worker shows at --metrics-listen: its tasks, its device's memory, its cache, its object store. docs/metrics.md
// lists the names; no label has a name that a user chose.
//
// Thread-safety: any thread. What is watched must outlive the last scrape: see WatchCache.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/metrics/metrics_server.h"
#include "common/object_store/observed_store.h"
#include "common/sync/mutex.h"
#include "lwqat/v1/worker_service.pb.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "worker/daemon/lease_checkpoints.h"
#include "worker/io/blob_cache.h"

namespace lwq::worker {

class WorkerMetrics {
 public:
  // `device_bytes`: what tensors may take.
  WorkerMetrics(std::string_view version, int64_t device_bytes);

  // `more` is shown, too; null: nothing. Errors of MetricsServer.
  Status Serve(const std::string& listen, std::shared_ptr<prometheus::Collectable> more);
  // HOST:PORT; "" before Serve.
  std::string address() const { return server_ == nullptr ? "" : server_->address(); }

  // For ObserveStore.
  void StoreUsed(const ObservedOperation& operation);
  void TaskEnded(const lwqat::v1::Lease& lease, const lwqat::v1::ReportTaskRequest& report);
  void Checkpointed(const CheckpointEvent& event);
  void RanOutOfMemory();
  // Shown until it is called with null.
  void WatchCache(const BlobCache* cache);
  void SetExecuting(bool executing);

 private:
  class Page;
  const std::shared_ptr<prometheus::Registry> registry_;
  const std::shared_ptr<Page> page_;
  prometheus::Family<prometheus::Histogram>& store_seconds_;
  prometheus::Family<prometheus::Counter>& store_errors_;
  prometheus::Counter& read_bytes_;
  prometheus::Counter& written_bytes_;
  prometheus::Family<prometheus::Counter>& results_;
  prometheus::Family<prometheus::Histogram>& task_seconds_;
  prometheus::Family<prometheus::Counter>& checkpoints_;
  prometheus::Histogram& checkpoint_seconds_;
  prometheus::Counter& checkpoint_bytes_;
  prometheus::Counter& out_of_memory_;
  prometheus::Gauge& executing_;
  std::unique_ptr<MetricsServer> server_;
};

}  // namespace lwq::worker
