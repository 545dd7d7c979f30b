// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/worker_metrics.h"

#include <utility>

#include "common/metrics/families.h"
#include "common/task/task_kind.h"
#include "worker/qat/api/execution.h"

namespace lwq::worker {
namespace {

// What the store was asked and answered is no fault of it.
bool IsFault(absl::StatusCode code) {
  return code != absl::StatusCode::kOk && code != absl::StatusCode::kNotFound &&
         code != absl::StatusCode::kAlreadyExists && code != absl::StatusCode::kCancelled;
}

std::string OutcomeOf(const lwqat::v1::ReportTaskRequest& report) {
  if (report.has_failure()) return "failed";
  if (report.has_released()) return "released";
  return report.success().from_cache() ? "found_done" : "executed";
}

}  // namespace

// What is read when somebody scrapes.
class WorkerMetrics::Page final : public prometheus::Collectable {
 public:
  explicit Page(int64_t device_bytes) : device_bytes_(device_bytes) {}

  void Watch(const BlobCache* cache) {
    const MutexLock lock(&mutex_);
    cache_ = cache;
  }
  std::vector<prometheus::MetricFamily> Collect() const override {
    std::vector<prometheus::MetricFamily> families;
    prometheus::MetricFamily memory = GaugeFamily("lwq_device_memory_bytes", "Memory of the device's tensors");
    const qat::MemoryUse use = qat::CurrentMemoryUse();
    AddSeries(memory, {{"state", "used"}}, static_cast<double>(use.current_bytes));
    AddSeries(memory, {{"state", "peak"}}, static_cast<double>(use.peak_bytes));
    AddSeries(memory, {{"state", "limit"}}, static_cast<double>(device_bytes_));
    families.push_back(std::move(memory));
    const MutexLock lock(&mutex_);
    if (cache_ == nullptr) return families;
    const BlobCacheStats stats = cache_->stats();
    prometheus::MetricFamily requests =
        CounterFamily("lwq_cache_requests_total", "Blobs asked of the local cache, by how they were found");
    AddSeries(requests, {{"result", "hit"}}, static_cast<double>(stats.hits));
    AddSeries(requests, {{"result", "miss"}}, static_cast<double>(stats.misses));
    AddSeries(requests, {{"result", "joined"}}, static_cast<double>(stats.joined));
    AddSeries(requests, {{"result", "damaged"}}, static_cast<double>(stats.damaged));
    families.push_back(std::move(requests));
    prometheus::MetricFamily held = GaugeFamily("lwq_cache_bytes", "Bytes of files in the local cache");
    AddSeries(held, {}, static_cast<double>(stats.held_bytes));
    families.push_back(std::move(held));
    return families;
  }

 private:
  const int64_t device_bytes_;
  mutable Mutex mutex_;
  const BlobCache* cache_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

WorkerMetrics::WorkerMetrics(std::string_view version, int64_t device_bytes)
    : registry_(std::make_shared<prometheus::Registry>()),
      page_(std::make_shared<Page>(device_bytes)),
      store_seconds_(prometheus::BuildHistogram()
                         .Name("lwq_object_store_seconds")
                         .Help("How long operations of the object store took, retries included")
                         .Register(*registry_)),
      store_errors_(prometheus::BuildCounter()
                        .Name("lwq_object_store_errors_total")
                        .Help("Operations of the object store that failed after all retries")
                        .Register(*registry_)),
      read_bytes_(prometheus::BuildCounter()
                      .Name("lwq_object_store_bytes_total")
                      .Help("Bytes read from and written to the object store")
                      .Register(*registry_)
                      .Add({{"direction", "read"}})),
      written_bytes_(prometheus::BuildCounter()
                         .Name("lwq_object_store_bytes_total")
                         .Help("Bytes read from and written to the object store")
                         .Register(*registry_)
                         .Add({{"direction", "written"}})),
      results_(prometheus::BuildCounter()
                   .Name("lwq_worker_tasks_total")
                   .Help("Tasks this worker has ended: executed, found done by another, failed, given back")
                   .Register(*registry_)),
      task_seconds_(prometheus::BuildHistogram()
                        .Name("lwq_worker_task_seconds")
                        .Help("How long this worker took to execute tasks")
                        .Register(*registry_)),
      checkpoints_(prometheus::BuildCounter()
                       .Name("lwq_worker_checkpoints_total")
                       .Help("Checkpoints of tasks: saved, failed to be, gone on from, refused")
                       .Register(*registry_)),
      checkpoint_seconds_(prometheus::BuildHistogram()
                              .Name("lwq_worker_checkpoint_seconds")
                              .Help("How long saving a checkpoint took, while the task waited")
                              .Register(*registry_)
                              .Add({}, CallSecondsBuckets())),
      checkpoint_bytes_(prometheus::BuildCounter()
                            .Name("lwq_worker_checkpoint_bytes_total")
                            .Help("Bytes of checkpoints that were saved")
                            .Register(*registry_)
                            .Add({})),
      out_of_memory_(prometheus::BuildCounter()
                         .Name("lwq_worker_out_of_memory_total")
                         .Help("Trainings that went on with activations recomputed because they did not fit")
                         .Register(*registry_)
                         .Add({})),
      executing_(prometheus::BuildGauge()
                     .Name("lwq_worker_executing")
                     .Help("1 while a task is executed")
                     .Register(*registry_)
                     .Add({})) {
  for (const char* event : {"saved", "failed", "gone_on", "refused"}) checkpoints_.Add({{"event", event}});
  prometheus::BuildGauge()
      .Name("lwq_build_info")
      .Help("1, with the version")
      .Register(*registry_)
      .Add({{"version", std::string(version)}})
      .Set(1);
}

Status WorkerMetrics::Serve(const std::string& listen, std::shared_ptr<prometheus::Collectable> more) {
  std::vector<std::shared_ptr<prometheus::Collectable>> shown = {registry_, page_};
  if (more != nullptr) shown.push_back(std::move(more));
  LWQ_ASSIGN_OR_RETURN(server_, MetricsServer::Start(listen, std::move(shown)));
  return absl::OkStatus();
}

void WorkerMetrics::StoreUsed(const ObservedOperation& operation) {
  const std::string name(operation.operation);
  store_seconds_.Add({{"operation", name}}, CallSecondsBuckets()).Observe(operation.seconds);
  if (IsFault(operation.code)) {
    store_errors_.Add({{"operation", name}, {"code", absl::StatusCodeToString(operation.code)}}).Increment();
  }
  read_bytes_.Increment(static_cast<double>(operation.read_bytes));
  written_bytes_.Increment(static_cast<double>(operation.written_bytes));
}

void WorkerMetrics::TaskEnded(const lwqat::v1::Lease& lease, const lwqat::v1::ReportTaskRequest& report) {
  // A kind that this program does not know is no label of its own.
  const StatusOr<TaskKind> kind = ParseTaskKind(lease.kind());
  const std::string name = kind.ok() ? std::string(TaskKindName(*kind)) : "other";
  const std::string outcome = OutcomeOf(report);
  results_.Add({{"kind", name}, {"outcome", outcome}}).Increment();
  if (outcome == "executed") task_seconds_.Add({{"kind", name}}, TaskSecondsBuckets()).Observe(report.seconds());
}

void WorkerMetrics::Checkpointed(const CheckpointEvent& event) {
  checkpoints_.Add({{"event", std::string(event.what)}}).Increment();
  if (event.what != "saved") return;
  checkpoint_seconds_.Observe(event.seconds);
  checkpoint_bytes_.Increment(static_cast<double>(event.bytes));
}

void WorkerMetrics::RanOutOfMemory() {
  out_of_memory_.Increment();
}

void WorkerMetrics::WatchCache(const BlobCache* cache) {
  page_->Watch(cache);
}

void WorkerMetrics::SetExecuting(bool executing) {
  executing_.Set(executing ? 1 : 0);
}

}  // namespace lwq::worker
