// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/lease_runner.h"

#include <chrono>
#include <filesystem>
#include <optional>

#include "common/artifact/task_result.h"
#include "common/log/log.h"
#include "common/task/numerics_class.h"
#include "common/text/one_line.h"
#include "spdlog/spdlog.h"
#include "worker/daemon/process_memory.h"
#include "worker/daemon/task_phases.h"
#include "worker/daemon/task_trace.h"
#include "worker/session/failure.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

namespace pb = lwqat::v1;

constexpr size_t kMaxMessageBytes = 2000;  // what the coordinator keeps of it

int64_t UnixNs() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_1970).count();
}

void Say(const std::optional<std::string>& line) {
  if (line.has_value()) spdlog::info("{}", *line);
}

StatusOr<Task> TaskFromLease(const pb::Lease& lease) {
  Task task;
  LWQ_ASSIGN_OR_RETURN(task.kind, ParseTaskKind(lease.kind()));
  LWQ_ASSIGN_OR_RETURN(task.params, ParseJson(lease.params_json(), "task parameters"));
  for (const auto& [role, input] : lease.inputs()) {
    ArtifactRef ref;
    LWQ_ASSIGN_OR_RETURN(ref.digest, Digest::FromHex(input.digest()));
    ref.size_bytes = input.size_bytes();
    task.inputs[role] = ref;
  }
  task.lr_halvings = lease.lr_halvings();
  return task;
}

// Whether all the result names is there, and stays: it is about to be this task's result. A damaged manifest goes, and
// a record that disagrees with a good one: neither would ever be written over.
StatusOr<bool> IsUsable(ArtifactStore& store, const Digest& action_key, const TaskResult& result) {
  for (const auto& [role, artifact] : result.outputs) {
    const StatusOr<bool> complete = store.KeepAlive(artifact);
    if (absl::IsDataLoss(complete.status())) {
      LWQ_ASSIGN_OR_RETURN(const bool dropped, store.DropIfDamaged(artifact.digest));
      if (!dropped) LWQ_RETURN_IF_ERROR(store.store()->Delete(ResultKey(action_key)));
      return false;
    }
    LWQ_RETURN_IF_ERROR(complete.status());
    if (!*complete) return false;
  }
  return true;
}

// A result somebody has published already, if it and all it names is still there and whole. What is damaged is removed,
// so that the task can be executed and published again.
StatusOr<std::optional<TaskResult>> PublishedResult(ArtifactStore& store, const Digest& action_key) {
  StatusOr<TaskResult> found = ReadTaskResult(*store.store(), action_key);
  if (absl::IsNotFound(found.status())) return std::nullopt;
  if (absl::IsDataLoss(found.status())) {
    spdlog::warn("{}: removed, the task is executed again", OneLine(MessageOf(found.status()), kMaxMessageBytes));
    LWQ_RETURN_IF_ERROR(store.store()->Delete(ResultKey(action_key)));
    return std::nullopt;
  }
  LWQ_RETURN_IF_ERROR(found.status());
  LWQ_ASSIGN_OR_RETURN(const bool usable, IsUsable(store, action_key, *found));
  if (!usable) return std::nullopt;
  return *std::move(found);
}

void FillSuccess(const TaskResult& result, bool from_cache, pb::TaskSuccess& success) {
  for (const auto& [role, artifact] : result.outputs) {
    pb::ArtifactRef& output = (*success.mutable_outputs())[role];
    output.set_digest(artifact.digest.hex());
    output.set_size_bytes(artifact.size_bytes);
  }
  success.set_metrics_json(CanonicalJson(result.metrics));
  success.set_from_cache(from_cache);
}

pb::FailureCause WireCause(FailureCause cause) {
  switch (cause) {
    case FailureCause::kTask:
      return pb::FAILURE_CAUSE_TASK;
    case FailureCause::kMemory:
      return pb::FAILURE_CAUSE_MEMORY;
    case FailureCause::kInfrastructure:
      return pb::FAILURE_CAUSE_INFRASTRUCTURE;
    case FailureCause::kInputLost:
      return pb::FAILURE_CAUSE_INPUT_LOST;
    case FailureCause::kDevice:
      return pb::FAILURE_CAUSE_DEVICE;
    case FailureCause::kReleased:
      break;
  }
  return pb::FAILURE_CAUSE_UNSPECIFIED;
}

// Every failure of a report is written here: whatever bytes the reason quotes, the report can be sent.
void SetFailure(pb::FailureCause cause, std::string_view message, pb::ReportTaskRequest& report) {
  report.mutable_failure()->set_cause(cause);
  report.mutable_failure()->set_message(OneLine(message, kMaxMessageBytes));
}

void FillFailure(const Status& status, const Task& task, ArtifactStore& store, const qat::CancelToken& cancel,
                 pb::ReportTaskRequest& report) {
  FailureCause cause = CauseOf(status);
  if (cause == FailureCause::kReleased) {
    report.mutable_released();
    return;
  }
  std::string input;
  if (cause == FailureCause::kInputLost) {
    const StatusOr<std::optional<std::string>> lost = FindLostInput(task, store, cancel);
    if (absl::IsCancelled(lost.status())) {
      report.mutable_released();
      return;
    }
    if (!lost.ok()) {
      cause = FailureCause::kInfrastructure;
    } else if (lost->has_value()) {
      input = **lost;
    } else {
      cause = FailureCause::kTask;
    }
  }
  SetFailure(WireCause(cause), MessageOf(status), report);
  report.mutable_failure()->set_input(input);
}

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Status PrepareScratch(const std::string& directory) {
  std::error_code error;
  std::filesystem::remove_all(directory, error);
  std::filesystem::create_directories(directory, error);
  if (error) return absl::UnavailableError(absl::StrCat("create ", directory, ": ", error.message()));
  return absl::OkStatus();
}

// The whole of one lease; an error here is the task's failure.
Status RunInto(const pb::Lease& lease, const Task& task, const RunnerOptions& options, TaskMonitor& monitor,
               TaskPhases& phases, pb::ReportTaskRequest& report) {
  LWQ_ASSIGN_OR_RETURN(const Digest action_key, Digest::FromHex(lease.action_key()));
  LWQ_ASSIGN_OR_RETURN(const std::optional<TaskResult> published, PublishedResult(*options.store, action_key));
  if (published.has_value()) {
    spdlog::info("result {} was already published", action_key.short_hex());
    FillSuccess(*published, true, *report.mutable_success());
    return absl::OkStatus();
  }
  LWQ_RETURN_IF_ERROR(PrepareScratch(options.scratch_directory));
  const NumericsParts parts = PartsOf(lease.numerics_class());
  TaskContext context;
  context.store = options.store;
  context.blobs = options.blobs;
  context.execution.device = options.device;
  context.execution.precision = parts.precision == Precision::kBf16 ? qat::Precision::kBF16 : qat::Precision::kF32;
  context.execution.threads = parts.threads;
  context.scratch_directory = options.scratch_directory;
  context.progress = [&monitor, &phases](const qat::Progress& progress) {
    monitor.SetProgress(progress);
    Say(phases.OnProgress(progress, UnixNs()));
  };
  context.cancel = &monitor.cancel();
  context.learnt = options.learnt;
  std::optional<LeaseCheckpoints> checkpoints;
  if (options.checkpoint_timer != nullptr) {
    LWQ_ASSIGN_OR_RETURN(const CheckpointStamp stamp, LeaseCheckpoints::StampOf(lease));
    checkpoints.emplace(lease, stamp, options.store, options.checkpoint_timer, &monitor, options.on_checkpoint,
                        SteadySeconds);
    context.checkpoints = &*checkpoints;
  }
  const StatusOr<TaskOutcome> executed = Execute(task, context);
  Say(phases.End());
  if (checkpoints.has_value()) report.set_seconds_before(checkpoints->seconds_before());
  LWQ_RETURN_IF_ERROR(executed.status());
  const TaskOutcome& outcome = *executed;
  if (outcome.diverged.has_value()) {
    SetFailure(pb::FAILURE_CAUSE_DIVERGED, outcome.diverged->message, report);
    return absl::OkStatus();
  }
  LWQ_ASSIGN_OR_RETURN(const TaskResult result, PublishTaskResult(*options.store->store(), action_key, outcome.result));
  FillSuccess(result, false, *report.mutable_success());
  return absl::OkStatus();
}

}  // namespace

void FillCheckpoint(const TaskMonitor::Checkpoint& checkpoint, pb::Checkpoint& message) {
  message.mutable_artifact()->set_digest(checkpoint.artifact.digest.hex());
  message.mutable_artifact()->set_size_bytes(checkpoint.artifact.size_bytes);
  message.set_step(checkpoint.step);
  message.set_steps(checkpoint.steps);
}

pb::ReportTaskRequest RunLease(const pb::Lease& lease, const RunnerOptions& options, TaskMonitor& monitor) {
  pb::ReportTaskRequest report;
  report.set_task_key(lease.task_key());
  report.set_token(lease.token());
  const ScopedLogFields fields(FieldsOf(lease));
  monitor.Begin(lease.task_key(), lease.token(), FieldsOf(lease), TraceparentOf(lease));
  ResetPeakRss();
  qat::ResetPeakMemoryUse();
  const int64_t begin_unix_ns = UnixNs();
  const auto start = std::chrono::steady_clock::now();

  TaskPhases phases;
  const StatusOr<Task> task = TaskFromLease(lease);
  if (!task.ok()) {
    SetFailure(pb::FAILURE_CAUSE_TASK, MessageOf(task.status()), report);
  } else {
    const ScopedLogTap tap(&monitor);
    if (const Status status = RunInto(lease, *task, options, monitor, phases, report); !status.ok()) {
      report.clear_outcome();
      FillFailure(status, *task, *options.store, monitor.cancel(), report);
    }
  }

  report.set_seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  report.set_peak_memory_bytes(qat::CurrentMemoryUse().peak_bytes);
  report.set_peak_rss_bytes(PeakRssBytes());
  if (report.has_failure()) {
    spdlog::warn("{} failed: {}", lease.title(), report.failure().message());
  } else if (report.has_released()) {
    spdlog::info("{} given back after {:.2f} s", lease.title(), report.seconds());
  } else {
    spdlog::info("{} done in {:.2f} s", lease.title(), report.seconds());
  }
  monitor.End();
  TaskMonitor::Lines log = monitor.LinesLeft();
  report.set_first_log_line(log.first);
  for (std::string& line : log.lines) report.add_log_lines(std::move(line));
  const std::optional<TaskMonitor::Checkpoint> checkpoint = monitor.LastCheckpoint();
  if (checkpoint.has_value()) FillCheckpoint(*checkpoint, *report.mutable_checkpoint());
  if (options.spans != nullptr) {
    for (Span& span : SpansOf(lease, report, phases, begin_unix_ns, UnixNs())) options.spans->Add(std::move(span));
  }
  std::error_code ignored;
  std::filesystem::remove_all(options.scratch_directory, ignored);
  return report;
}

pb::ReportTaskRequest RefusalReport(const pb::ReportTaskRequest& refused, const Status& refusal) {
  pb::ReportTaskRequest report;
  report.set_task_key(refused.task_key());
  report.set_token(refused.token());
  report.set_seconds(refused.seconds());
  SetFailure(pb::FAILURE_CAUSE_TASK,
             absl::StrCat("the coordinator refused this task's report: ", absl::StatusCodeToString(refusal.code()),
                          ": ", MessageOf(refusal)),
             report);
  return report;
}

}  // namespace lwq::worker
