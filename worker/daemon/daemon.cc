// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/daemon.h"

#include <signal.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>

#include "absl/strings/str_replace.h"
#include "common/artifact/artifact.h"
#include "common/log/log.h"
#include "common/object_store/observed_store.h"
#include "common/object_store/open_store.h"
#include "common/sync/mutex.h"
#include "common/trace/otlp_exporter.h"
#include "spdlog/spdlog.h"
#include "worker/daemon/coordinator_client.h"
#include "worker/daemon/learnt_shapes.h"
#include "worker/daemon/lease_runner.h"
#include "worker/daemon/process_memory.h"
#include "worker/daemon/task_monitor.h"
#include "worker/daemon/task_trace.h"
#include "worker/daemon/worker_metrics.h"
#include "worker/io/blob_cache.h"
#include "worker/io/discarder.h"
#include "worker/io/folder_lock.h"
#include "worker/qat/api/execution.h"
#include "worker/session/checkpoint_timer.h"
#include "worker/session/session.h"

namespace lwq::worker {
namespace {

namespace pb = lwqat::v1;
using std::chrono::milliseconds;

constexpr int kLeaseWaitSeconds = 20;

// Whether the process was asked to stop, and a wait that such a request ends.
class DrainSignal {
 public:
  void Request() {
    {
      const MutexLock lock(&mutex_);
      requested_ = true;
    }
    changed_.NotifyAll();
  }
  bool requested() {
    const MutexLock lock(&mutex_);
    return requested_;
  }
  // Returns after `wait`, or as soon as a drain is requested; true when it is.
  bool WaitFor(milliseconds wait) {
    MutexLock lock(&mutex_);
    return changed_.WaitFor(lock, wait, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return requested_; });
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool requested_ ABSL_GUARDED_BY(mutex_) = false;
};

std::string NumericsBase(const qat::DeviceInfo& info) {
  const auto field = [](const std::string& text) { return absl::StrReplaceAll(text, {{"|", "/"}}); };
  return absl::StrCat(field(info.device_model), "|", field(info.instruction_set), "|", field(info.libraries));
}

// What tensors may take.
int64_t MemoryBytes(const DaemonOptions& options, const qat::DeviceInfo& device) {
  return options.memory_limit_bytes > 0 ? std::min(options.memory_limit_bytes, device.memory_bytes)
                                        : device.memory_bytes;
}

class Daemon {
 public:
  Daemon(const DaemonOptions& options, CoordinatorAddresses addresses, const qat::DeviceInfo& device,
         std::shared_ptr<const CallerSecurity> security, UriPolicy uri_policy, OtlpExporter* spans)
      : options_(options),
        client_(std::move(addresses), std::move(security)),
        uri_policy_(std::move(uri_policy)),
        metrics_(LWQ_VERSION, MemoryBytes(options, device)),
        spans_(spans),
        session_(std::hash<std::string>()(options.name)),
        checkpoint_timer_(options.checkpoint_interval_seconds),
        learnt_([this] { metrics_.RanOutOfMemory(); }) {
    register_.set_name(options.name);
    register_.set_device(options.device);
    register_.set_numerics_class(NumericsBase(device));
    register_.set_hardware_bf16(device.hardware_bf16);
    register_.set_memory_bytes(MemoryBytes(options, device));
    register_.set_max_threads(options.max_threads);
    register_.set_cache_bytes(options.cache_bytes);
  }

  Status Run() {
    if (!options_.metrics_listen.empty()) {
      LWQ_RETURN_IF_ERROR(metrics_.Serve(options_.metrics_listen, spans_ == nullptr ? nullptr : spans_->Metrics()));
      spdlog::info("metrics on http://{}/metrics", metrics_.address());
    }
    std::thread heartbeats([this] { HeartbeatLoop(); });
    std::thread signals([this] { SignalLoop(); });
    const Status status = Loop();
    stopping_.Request();
    heartbeats.join();
    signals.join();
    metrics_.WatchCache(nullptr);
    return status;
  }

 private:
  Status Loop() {
    while (true) {
      if (drain_.requested()) session_.RequestDrain();
      if (drain_end_.requested()) session_.EndDrain();
      const NextStep next = session_.Next();
      if (next.delay_ms > 0) (next.has_outcome ? drain_end_ : drain_).WaitFor(milliseconds(next.delay_ms));
      switch (next.step) {
        case Step::kRegister:
          LWQ_RETURN_IF_ERROR(Register());
          break;
        case Step::kLease:
          Lease();
          break;
        case Step::kExecute:
          metrics_.SetExecuting(true);
          report_ = RunLease(lease_, runner_, monitor_);
          metrics_.SetExecuting(false);
          metrics_.TaskEnded(lease_, report_);
          session_.OnExecuted();
          break;
        case Step::kReport:
          Report();
          break;
        case Step::kReportRefusal:
          report_ = RefusalReport(report_, session_.refusal());
          Report();
          break;
        case Step::kExit:
          return session_.fatal();
      }
    }
  }

  Status Register() {
    const StatusOr<pb::RegisterWorkerResponse> response = client_.Register(register_);
    if (!response.ok()) {
      Failed(Call::kRegister, response.status());
      return absl::OkStatus();
    }
    if (artifacts_ == nullptr) LWQ_RETURN_IF_ERROR(OpenStore(*response));
    {
      const MutexLock lock(&mutex_);
      worker_id_ = response->worker_id();
      const auto& interval = response->heartbeat_interval();
      heartbeat_interval_ = milliseconds(interval.seconds() * 1000 + interval.nanos() / 1'000'000);
    }
    spdlog::info("registered as {} with {}", response->worker_id(), client_.address());
    session_.OnRegistered();
    return absl::OkStatus();
  }

  Status OpenStore(const pb::RegisterWorkerResponse& response) {
    const std::string uri = options_.objects_uri.empty() ? response.objects_uri() : options_.objects_uri;
    if (options_.objects_uri.empty()) {
      LWQ_RETURN_IF_ERROR(Annotate(uri_policy_.Check(uri), absl::StrCat("object store ", uri, " of the coordinator")));
    }
    StoreContext context;
    if (options_.objects_uri.empty()) {
      context.check_address = [this](const sockaddr* address) { return uri_policy_.CheckSocketAddress(address); };
    }
    // A store that does not answer holds up no worker that is to end: the task is given back.
    context.wait = [this](absl::Duration wait) -> Status {
      if (!drain_end_.WaitFor(absl::ToChronoMilliseconds(wait))) return absl::OkStatus();
      return absl::CancelledError("the worker is stopping");
    };
    LWQ_ASSIGN_OR_RETURN(store_, OpenObjectStore(uri, context));
    store_ =
        ObserveStore(std::move(store_), [this](const ObservedOperation& operation) { metrics_.StoreUsed(operation); });
    artifacts_ = std::make_unique<ArtifactStore>(store_.get());
    LWQ_ASSIGN_OR_RETURN(cache_, BlobCache::Open(artifacts_.get(), {.directory = options_.cache_directory + "/blobs",
                                                                    .cache_bytes = options_.cache_bytes}));
    metrics_.WatchCache(cache_.get());
    discarder_ = std::make_unique<Discarder>(artifacts_.get());
    runner_.store = artifacts_.get();
    runner_.blobs = cache_.get();
    runner_.device = options_.device;
    runner_.scratch_directory = options_.cache_directory + "/scratch";
    runner_.spans = spans_;
    runner_.checkpoint_timer = &checkpoint_timer_;
    runner_.learnt = &learnt_;
    runner_.on_checkpoint = [this](const CheckpointEvent& event) { metrics_.Checkpointed(event); };
    return absl::OkStatus();
  }

  void Lease() {
    pb::LeaseTaskRequest request;
    request.set_worker_id(worker_id());
    request.mutable_max_wait()->set_seconds(kLeaseWaitSeconds);
    StatusOr<pb::LeaseTaskResponse> response = client_.Lease(request);
    if (!response.ok()) return Failed(Call::kLease, response.status());
    if (response->has_lease()) Take(std::move(*response->mutable_lease()));
    session_.OnLeaseAnswered(response->has_lease());
  }

  void Report() {
    report_.set_worker_id(worker_id());
    report_.set_lease_next(!drain_.requested());
    StatusOr<pb::ReportTaskResponse> response = client_.Report(report_, TraceparentOf(lease_));
    if (!response.ok()) {
      const ScopedLogFields fields(FieldsOf(lease_));
      return Failed(Call::kReport, response.status());
    }
    if (response->has_next()) Take(std::move(*response->mutable_next()));
    session_.OnReported(response->has_next());
  }

  void Take(pb::Lease lease) {
    lease_ = std::move(lease);
    const ScopedLogFields fields(FieldsOf(lease_));
    spdlog::info("leased {} (attempt {}, token {})", lease_.title(), lease_.attempt(), lease_.token());
  }

  std::string worker_id() {
    const MutexLock lock(&mutex_);
    return worker_id_;
  }

  void Failed(Call call, const Status& status) {
    // Logs the first of several failures in a row; those after it say nothing new.
    if (session_.failures() == 0 && !drain_.requested()) spdlog::warn("{}", std::string(status.message()));
    session_.OnCallFailed(call, status);
  }

  void HeartbeatLoop() {
    while (!stopping_.requested()) {
      milliseconds interval{500};
      pb::HeartbeatRequest request;
      {
        const MutexLock lock(&mutex_);
        request.set_worker_id(worker_id_);
        if (!worker_id_.empty()) interval = heartbeat_interval_;
      }
      if (!request.worker_id().empty()) Heartbeat(request);
      stopping_.WaitFor(interval);
    }
  }

  void Heartbeat(pb::HeartbeatRequest& request) {
    request.set_draining(drain_.requested());
    const std::optional<TaskMonitor::Snapshot> task = monitor_.Look();
    if (task.has_value()) {
      pb::TaskProgress& progress = *request.add_tasks();
      progress.set_task_key(task->task_key);
      progress.set_token(task->token);
      progress.mutable_progress()->set_stage(task->progress.stage);
      progress.mutable_progress()->set_step(task->progress.step);
      progress.mutable_progress()->set_steps(task->progress.steps);
      if (!std::isnan(task->progress.loss)) progress.mutable_progress()->set_loss(task->progress.loss);
      if (task->checkpoint.has_value()) FillCheckpoint(*task->checkpoint, *progress.mutable_checkpoint());
      progress.set_first_log_line(task->log.first);
      for (const std::string& line : task->log.lines) progress.add_log_lines(line);
    }
    // The store was opened before there was a worker id, hence before the first heartbeat.
    const std::vector<Digest> deleted = discarder_->Deleted();
    for (const Digest& artifact : deleted) request.add_discarded(artifact.hex());
    const StatusOr<pb::HeartbeatResponse> response =
        client_.Heartbeat(request, task.has_value() ? task->traceparent : "");
    if (!response.ok()) {
      // Not known any more: whatever is in hand cannot be reported under this id.
      if (absl::IsNotFound(response.status()) && task.has_value()) monitor_.CancelLease(task->task_key, task->token);
      return;
    }
    if (task.has_value()) monitor_.Delivered(task->task_key, task->token, task->log.end());
    for (const pb::LeaseLost& lost : response->lost()) {
      // The one task that was told of.
      const ScopedLogFields fields(task.has_value() ? task->fields : LogFields());
      spdlog::warn("lease of {} lost: {}", lost.task_key().substr(0, 12), lost.reason());
      monitor_.CancelLease(lost.task_key(), lost.token());
    }
    discarder_->Acknowledged(deleted);
    Discard(*response);
  }

  void Discard(const pb::HeartbeatResponse& response) {
    std::vector<ArtifactRef> artifacts;
    for (const pb::ArtifactRef& message : response.discard()) {
      const StatusOr<Digest> digest = Digest::FromHex(message.digest());
      if (digest.ok()) artifacts.push_back({*digest, message.size_bytes()});
    }
    discarder_->Discard(artifacts);
  }

  // The node says that it is about to go.
  bool PreemptionFileIsThere() const {
    std::error_code ignored;
    return !options_.preemption_file.empty() && std::filesystem::exists(options_.preemption_file, ignored);
  }

  // SIGTERM, SIGINT or the preemption file: drain; after drain_ms, or at the second signal, what is in hand is given
  // back, or its outcome dropped if it cannot be reported.
  void SignalLoop() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    const timespec poll{0, 50'000'000};
    std::optional<std::chrono::steady_clock::time_point> give_back_at;
    while (!stopping_.requested()) {
      const bool signalled = ::sigtimedwait(&signals, nullptr, &poll) > 0;
      if (signalled || (!give_back_at.has_value() && PreemptionFileIsThere())) {
        const auto now = std::chrono::steady_clock::now();
        if (!give_back_at.has_value()) {
          spdlog::info("draining{}: saving or finishing what is in hand",
                       signalled ? "" : absl::StrCat(", since there is ", options_.preemption_file));
          give_back_at = now + milliseconds(options_.drain_ms);
        } else {
          give_back_at = now;
        }
        drain_.Request();
        monitor_.Drain();
        client_.StopWaiting();
      }
      if (give_back_at.has_value() && std::chrono::steady_clock::now() >= *give_back_at) {
        drain_end_.Request();
        monitor_.CancelCurrent();
      }
    }
  }

  const DaemonOptions& options_;
  CoordinatorClient client_;
  const UriPolicy uri_policy_;
  WorkerMetrics metrics_;
  OtlpExporter* const spans_;         // null: none are sent
  Session session_;                   // main loop only
  CheckpointTimer checkpoint_timer_;  // main loop only
  LearntShapes learnt_;               // main loop only
  pb::RegisterWorkerRequest register_;
  pb::Lease lease_;
  pb::ReportTaskRequest report_;
  RunnerOptions runner_;
  std::unique_ptr<ObjectStore> store_;
  std::unique_ptr<ArtifactStore> artifacts_;
  std::unique_ptr<BlobCache> cache_;
  std::unique_ptr<Discarder> discarder_;
  TaskMonitor monitor_;
  DrainSignal drain_;      // the process was asked to drain
  DrainSignal drain_end_;  // and has had the time for it
  DrainSignal stopping_;   // the main loop has ended

  // What the heartbeat thread reads; written by the main loop only.
  Mutex mutex_;
  std::string worker_id_ ABSL_GUARDED_BY(mutex_);
  milliseconds heartbeat_interval_ ABSL_GUARDED_BY(mutex_){1000};
};

}  // namespace

Status RunDaemon(const DaemonOptions& options) {
  StatusOr<CoordinatorAddresses> addresses = CoordinatorAddresses::Parse(options.coordinator);
  LWQ_RETURN_IF_ERROR(Annotate(addresses.status(), "--coordinator"));
  LWQ_ASSIGN_OR_RETURN(const std::shared_ptr<const CallerSecurity> security, CallerSecurity::Open(options.security));
  for (const std::string& address : addresses->all()) LWQ_RETURN_IF_ERROR(security->CheckAddress(address));
  StatusOr<UriPolicy> uri_policy = UriPolicy::Of(options.allowed);
  LWQ_RETURN_IF_ERROR(uri_policy.status());
  std::unique_ptr<OtlpExporter> spans;
  if (!options.otlp_endpoint.empty()) {
    OtlpOptions otlp;
    otlp.endpoint = options.otlp_endpoint;
    otlp.resource = {
        {"service.name", "lwq-worker"}, {"service.instance.id", options.name}, {"service.version", LWQ_VERSION}};
    LWQ_ASSIGN_OR_RETURN(spans, OtlpExporter::Start(std::move(otlp)));
  }
  std::error_code error;
  std::filesystem::create_directories(options.cache_directory, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("--cache-dir ", options.cache_directory, ": ", error.message()));
  }
  // Scratch files too are in this folder, so it is locked whether or not anything is cached.
  LWQ_ASSIGN_OR_RETURN(const UniqueFd lock, LockFolder(options.cache_directory, "--cache-dir"));
  LWQ_RETURN_IF_ERROR(qat::InitRuntime({.device = options.device,
                                        .max_threads = options.max_threads,
                                        .memory_limit_bytes = options.memory_limit_bytes}));
  const qat::DeviceInfo device = qat::InspectDevice();
  spdlog::info("device {} ({}, {}), {}, {:.0f} GFLOP/s fp32 on one thread{}", device.device, device.device_model,
               device.instruction_set, device.libraries, device.gemm_gflops,
               device.hardware_bf16 ? ", bf16 in hardware" : "");
  if (!device.problem.empty()) spdlog::error("{}", device.problem);
  ReleaseProgramPages();
  return Daemon(options, *std::move(addresses), device, security, *std::move(uri_policy), spans.get()).Run();
}

}  // namespace lwq::worker
