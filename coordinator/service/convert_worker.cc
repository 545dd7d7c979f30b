// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/convert_worker.h"

#include <algorithm>
#include <cmath>

#include "common/access/bearer_token.h"

namespace lwq::coordinator {
namespace {

StatusOr<Digest> DigestIn(const char* field, const std::string& hex) {
  StatusOr<Digest> digest = Digest::FromHex(hex);
  if (!digest.ok()) return Annotate(digest.status(), field);
  return digest;
}

StatusOr<FailureCause> CauseFromWire(wire::FailureCause cause) {
  switch (cause) {
    case wire::FAILURE_CAUSE_TASK:
      return FailureCause::kTask;
    case wire::FAILURE_CAUSE_DIVERGED:
      return FailureCause::kDiverged;
    case wire::FAILURE_CAUSE_MEMORY:
      return FailureCause::kMemory;
    case wire::FAILURE_CAUSE_INFRASTRUCTURE:
      return FailureCause::kInfrastructure;
    case wire::FAILURE_CAUSE_INPUT_LOST:
      return FailureCause::kInputLost;
    case wire::FAILURE_CAUSE_DEVICE:
      return FailureCause::kDevice;
    default:  // the wire's enum is open: a newer worker may send more
      return absl::InvalidArgumentError(
          absl::StrCat("failure.cause ", static_cast<int>(cause), " is not known to this version"));
  }
}

StatusOr<StoredCheckpoint> CheckpointFromWire(const wire::Checkpoint& message) {
  StoredCheckpoint checkpoint;
  LWQ_ASSIGN_OR_RETURN(checkpoint.artifact, FromWire(message.artifact(), "checkpoint.artifact"));
  if (checkpoint.artifact.digest.is_zero()) return absl::InvalidArgumentError("checkpoint.artifact names no artifact");
  if (message.step() < 1 || message.steps() < message.step()) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint.step is ", message.step(), " of ", message.steps(),
                                                   ", must be at least 1 and at most steps"));
  }
  checkpoint.step = message.step();
  checkpoint.steps = message.steps();
  return checkpoint;
}

// Workers redact what they send; whoever reads a run's log relies on it here.
template <typename Lines>
std::vector<std::string> Redacted(const Lines& lines) {
  std::vector<std::string> redacted;
  redacted.reserve(static_cast<size_t>(lines.size()));
  for (const std::string& line : lines) redacted.push_back(RedactTokens(line));
  return redacted;
}

}  // namespace

StatusOr<RegisterWorker> FromWire(const wire::RegisterWorkerRequest& message) {
  RegisterWorker event;
  event.worker.name = message.name();
  event.worker.device = message.device();
  event.worker.numerics_class = message.numerics_class();
  event.worker.hardware_bf16 = message.hardware_bf16();
  event.worker.memory_bytes = message.memory_bytes();
  event.worker.max_threads = message.max_threads();
  event.worker.cache_bytes = message.cache_bytes();
  for (const std::string& name : message.kinds()) {
    LWQ_ASSIGN_OR_RETURN(const TaskKind kind, ParseTaskKind(name));
    event.worker.kinds.push_back(kind);
  }
  return event;
}

StatusOr<Heartbeat> FromWire(const wire::HeartbeatRequest& message) {
  Heartbeat event;
  event.worker.value = message.worker_id();
  event.draining = message.draining();
  for (const wire::TaskProgress& task : message.tasks()) {
    TaskProgress progress;
    LWQ_ASSIGN_OR_RETURN(progress.task, DigestIn("task_key", task.task_key()));
    progress.token = task.token();
    progress.progress.stage = task.progress().stage();
    progress.progress.step = task.progress().step();
    progress.progress.steps = task.progress().steps();
    if (task.progress().has_loss()) progress.progress.loss = task.progress().loss();
    progress.log_lines = Redacted(task.log_lines());
    if (task.has_first_log_line()) progress.first_log_line = task.first_log_line();
    if (task.has_checkpoint()) {
      LWQ_ASSIGN_OR_RETURN(progress.checkpoint, CheckpointFromWire(task.checkpoint()));
    }
    event.tasks.push_back(std::move(progress));
  }
  for (const std::string& hex : message.discarded()) {
    LWQ_ASSIGN_OR_RETURN(const Digest artifact, DigestIn("discarded", hex));
    event.discarded.push_back(artifact);
  }
  return event;
}

StatusOr<ReportTask> FromWire(const wire::ReportTaskRequest& message) {
  ReportTask event;
  event.worker.value = message.worker_id();
  LWQ_ASSIGN_OR_RETURN(event.task, DigestIn("task_key", message.task_key()));
  event.token = message.token();
  switch (message.outcome_case()) {
    case wire::ReportTaskRequest::kSuccess: {
      ReportSuccess success;
      for (const auto& [role, artifact] : message.success().outputs()) {
        LWQ_ASSIGN_OR_RETURN(success.outputs[role], FromWire(artifact, absl::StrCat("success.outputs.", role)));
        if (success.outputs[role].digest.is_zero()) {
          return absl::InvalidArgumentError(absl::StrCat("success.outputs.", role, " names no artifact"));
        }
      }
      success.metrics_json = message.success().metrics_json();
      success.from_cache = message.success().from_cache();
      event.outcome = std::move(success);
      break;
    }
    case wire::ReportTaskRequest::kFailure: {
      ReportFailure failure;
      LWQ_ASSIGN_OR_RETURN(failure.cause, CauseFromWire(message.failure().cause()));
      failure.message = RedactTokens(message.failure().message());
      failure.input = message.failure().input();
      event.outcome = std::move(failure);
      break;
    }
    case wire::ReportTaskRequest::kReleased:
      event.outcome = ReportReleased();
      break;
    case wire::ReportTaskRequest::OUTCOME_NOT_SET:
      return absl::InvalidArgumentError("outcome is missing: success, failure or released");
  }
  if (!(message.seconds() >= 0 && std::isfinite(message.seconds()))) {
    return absl::InvalidArgumentError(absl::StrCat("seconds is ", message.seconds(), ", must be at least 0"));
  }
  if (!(message.seconds_before() >= 0 && std::isfinite(message.seconds_before()))) {
    return absl::InvalidArgumentError(
        absl::StrCat("seconds_before is ", message.seconds_before(), ", must be at least 0"));
  }
  if (message.has_checkpoint()) {
    LWQ_ASSIGN_OR_RETURN(event.checkpoint, CheckpointFromWire(message.checkpoint()));
  }
  event.seconds_before = message.seconds_before();
  if (message.peak_memory_bytes() < 0 || message.peak_rss_bytes() < 0) {
    return absl::InvalidArgumentError("peak_memory_bytes and peak_rss_bytes must not be negative");
  }
  event.seconds = message.seconds();
  event.peak_memory_bytes = message.peak_memory_bytes();
  event.peak_rss_bytes = message.peak_rss_bytes();
  event.log_lines = Redacted(message.log_lines());
  if (message.has_first_log_line()) event.first_log_line = message.first_log_line();
  event.lease_next = message.lease_next();
  return event;
}

void ToWire(const Lease& lease, wire::Lease* message) {
  message->set_task_key(lease.task.hex());
  message->set_token(lease.token);
  message->set_action_key(lease.action_key.hex());
  message->set_kind(std::string(TaskKindName(lease.def->kind)));
  message->set_params_json(CanonicalJson(lease.def->params));
  for (const auto& [role, artifact] : lease.inputs) ToWire(artifact, &(*message->mutable_inputs())[role]);
  message->set_numerics_class(lease.def->numerics_class);
  message->set_lr_halvings(lease.lr_halvings);
  message->set_attempt(lease.attempt);
  if (lease.checkpoint.has_value()) {
    ToWire(lease.checkpoint->artifact, message->mutable_checkpoint()->mutable_artifact());
    message->mutable_checkpoint()->set_step(lease.checkpoint->step);
    message->mutable_checkpoint()->set_steps(lease.checkpoint->steps);
  }
  message->set_title(lease.title);
  SetDuration(lease.duration_ms, message->mutable_duration());
  message->set_run_id(lease.run.value);
  message->set_traceparent(lease.traceparent);
}

void ToWire(const HeartbeatReply& reply, wire::HeartbeatResponse* message) {
  for (const LostLease& lost : reply.lost) {
    wire::LeaseLost* out = message->add_lost();
    out->set_task_key(lost.task.hex());
    out->set_token(lost.token);
    out->set_reason(lost.reason);
  }
  for (const ArtifactRef& artifact : reply.discard) ToWire(artifact, message->add_discard());
}

int64_t ClampedMs(const google::protobuf::Duration& duration, int64_t max_ms) {
  if (duration.seconds() >= max_ms / 1000 + 1) return max_ms;
  if (duration.seconds() < 0) return 0;
  return std::clamp<int64_t>(duration.seconds() * 1000 + duration.nanos() / 1'000'000, 0, max_ms);
}

void SetDuration(int64_t ms, google::protobuf::Duration* message) {
  message->set_seconds(ms / 1000);
  message->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
}

}  // namespace lwq::coordinator
