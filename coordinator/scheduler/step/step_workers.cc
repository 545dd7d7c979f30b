// SPDX-License-Identifier: Apache-2.0
// Workers: registration, leases, heartbeats, reports, silence.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "common/json/json.h"
#include "common/task/measured.h"
#include "common/task/task_outputs.h"
#include "common/text/one_line.h"
#include "coordinator/scheduler/choose/straggler.h"
#include "coordinator/scheduler/choose/task_choice.h"
#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/indexing.h"
#include "coordinator/scheduler/state/learning.h"
#include "coordinator/scheduler/state/retention.h"
#include "coordinator/scheduler/step/stepper.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMaxFieldBytes = 512;
// What a lease is charged to its project in advance where nothing was learned of such tasks.
constexpr double kUnknownSeconds = 1;
constexpr size_t kNamedDevices = 6;
constexpr size_t kMaxMessageBytes = 2000;
constexpr size_t kMaxMetricsBytes = 4 << 20;

Status CheckRegistration(const WorkerRecord& worker) {
  const auto bad = [](std::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("worker registration: ", what));
  };
  if (worker.name.size() > kMaxFieldBytes || worker.device.size() > kMaxFieldBytes ||
      worker.numerics_class.size() > kMaxFieldBytes) {
    return bad(absl::StrCat("name, device and numerics_class may have at most ", kMaxFieldBytes, " bytes each"));
  }
  if (OneLine(worker.name, kMaxFieldBytes) != worker.name ||
      OneLine(worker.numerics_class, kMaxFieldBytes) != worker.numerics_class) {
    return bad("name or numerics_class has a control character");
  }
  if (worker.numerics_class.empty()) return bad("numerics_class is empty");
  if (worker.memory_bytes <= 0) return bad(absl::StrCat("memory_bytes is ", worker.memory_bytes, ", must be positive"));
  if (worker.max_threads < 1) return bad(absl::StrCat("max_threads is ", worker.max_threads, ", must be at least 1"));
  if (worker.cache_bytes < 0) return bad(absl::StrCat("cache_bytes is ", worker.cache_bytes, ", must be at least 0"));
  return absl::OkStatus();
}

// What is wrong with a success, "" if nothing is.
std::string ProblemWith(const ReportSuccess& success, const TaskDef& def) {
  const StatusOr<std::vector<std::string>> roles = OutputRoles(def.kind, def.params);
  if (!roles.ok()) return std::string(MessageOf(roles.status()));
  for (const std::string& role : *roles) {
    if (!success.outputs.contains(role)) {
      return absl::StrCat("the worker reported success without output '", role, "'");
    }
  }
  if (success.metrics_json.size() > kMaxMetricsBytes) {
    return absl::StrCat("the worker reported ", success.metrics_json.size(), " bytes of metrics");
  }
  const StatusOr<Json> metrics = ParseJson(success.metrics_json.empty() ? "{}" : success.metrics_json, "metrics");
  if (!metrics.ok() || !metrics->is_object()) return "the worker reported metrics that are not a JSON object";
  if (!TraitsOf(def.kind).outputs.measures) return "";
  const StatusOr<std::vector<Measured>> measured = MeasuredOf(*metrics);
  if (!measured.ok()) {
    return absl::StrCat("the worker reported unusable measurements: ", MessageOf(measured.status()));
  }
  return measured->empty() ? "the worker reported nothing that was measured" : "";
}

void NoteInputs(const State& state, const TaskDef& def, WorkerEntry& worker) {
  for (const auto& [role, input] : def.inputs) {
    if (!std::holds_alternative<TaskOutputRef>(input)) continue;
    const std::optional<ArtifactRef> content = ContentOf(state, input);
    if (content.has_value()) worker.local.Use(*content, worker.record.cache_bytes);
  }
}

// What the log says of a training besides: "" where it was of use, or was none.
std::string TrainingNote(const TaskDef& def, const std::string& metrics_json) {
  if (def.kind != TaskKind::kTrainBlock && def.kind != TaskKind::kFitRounding) return "";
  const StatusOr<Json> metrics = ParseJson(metrics_json, "metrics");
  if (!metrics.ok()) return "";
  const auto initial = JsonDouble(*metrics, "initial_val_loss", "metrics");
  const auto best = JsonDouble(*metrics, "best_val_loss", "metrics");
  const auto steps = JsonInt(*metrics, "steps", "metrics");
  const bool useless = initial.ok() && best.ok() && steps.ok() && *steps > 0 && !(*best < *initial);
  return useless ? absl::StrCat("; none of its ", *steps, " steps lowered the validation loss") : "";
}

// The later lease's counts, which began at the other one or could not use it; of one lease the further. So one that was
// not taken never is.
bool Replaces(const TaskCheckpoint& stored, const std::optional<TaskCheckpoint>& before) {
  return !before.has_value() || std::pair(stored.token, stored.step) > std::pair(before->token, before->step);
}

std::string ReasonOfLoss(const TaskRecord& task) {
  if (task.state == TaskState::kCancelled) return "no run wants it any more";
  if (task.state == TaskState::kSucceeded) return "it is done: another worker was first";
  return "the lease expired and is another worker's";
}

std::string Seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f s", seconds);
  return text;
}

}  // namespace

StatusOr<WorkerEntry*> Stepper::Hear(const WorkerId& id) {
  const auto it = state_.workers.find(id);
  if (it == state_.workers.end()) {
    return absl::NotFoundError(
        absl::StrCat("worker '", OneLine(id.value, 80),
                     "' is not known (it was silent for too long, or a newer process has its name): register again"));
  }
  WorkerEntry& worker = it->second;
  worker.last_seen_ms = now_.steady_ms;
  SetWorkerDeadline(state_, worker, now_.steady_ms + state_.options.lease_ms);
  if (!IsHere(worker)) {
    worker.alive = true;
    worker.heard = true;
    CountWorker(state_, worker);
    WorkerCame();
  }
  return &worker;
}

void Stepper::WorkerCame() {
  PinPendingRuns();
  NoteMissingWorkers(/*may_begin=*/false);
}

void Stepper::WorkerWent() {
  if (state_.missed_workers_due_ms == 0) state_.missed_workers_due_ms = now_.steady_ms + state_.options.lease_ms;
}

void Stepper::LoseLease(WorkerEntry& worker) {
  state_.activations.Release(worker.record.id);
  if (!worker.lease.has_value()) return;
  TaskEntry& task = state_.tasks.at(*worker.lease);
  const uint64_t token = TokenOf(task.record, worker.record.id);
  const std::string reason = "the worker fell silent or was replaced";
  EndLines(task, token, DeviceOf(worker.record));
  const int attempt = AttemptOf(task.record, token);
  LogTask(task, attempt, DeviceOf(worker.record), absl::StrCat("attempt ", attempt, " lost: ", reason),
          LogEcho::kProblem);
  Apply(task, LeaseLost{token, Blame(task, worker.record, FailureCause::kLeaseLost, reason)});
}

void Stepper::Forget(const WorkerId& id, bool replaced) {
  const auto it = state_.workers.find(id);
  LoseLease(it->second);
  UncountWorker(state_, it->second);
  if (!replaced) state_.health.ForgetDevice(DeviceOf(it->second.record));
  const auto named = state_.workers_by_name.find(it->second.record.name);
  if (named != state_.workers_by_name.end() && named->second == id) state_.workers_by_name.erase(named);
  state_.worker_deadlines.erase({it->second.deadline_ms, id});
  state_.workers.erase(it);
  effects_.changes.push_back(DropWorker{id});
  WorkerWent();
}

Status Stepper::On(const RegisterWorker& event) {
  LWQ_RETURN_IF_ERROR(CheckRegistration(event.worker));
  const std::string& name = event.worker.name;
  if (!name.empty()) {
    const auto same_name = state_.workers_by_name.find(name);
    if (same_name != state_.workers_by_name.end()) Forget(WorkerId(same_name->second), /*replaced=*/true);
  }
  WorkerEntry worker;
  worker.record = event.worker;
  worker.record.id.value = absl::StrCat("w-", state_.next_worker++);
  worker.last_seen_ms = now_.steady_ms;
  const WorkerId id = worker.record.id;
  effects_.changes.push_back(PutWorker{worker.record});
  effects_.changes.push_back(PutNextWorker{state_.next_worker});
  if (!name.empty()) state_.workers_by_name[name] = id;
  WorkerEntry& entry = state_.workers.emplace(id, std::move(worker)).first->second;
  SetWorkerDeadline(state_, entry, now_.steady_ms + state_.options.lease_ms);
  CountWorker(state_, entry);
  WorkerCame();
  effects_.reply = RegisterReply{id};
  return absl::OkStatus();
}

std::optional<Lease> Stepper::LeaseFor(WorkerEntry& worker) {
  if (worker.lease.has_value()) {
    // The answer that carried this lease was lost: give it again.
    TaskEntry& held = state_.tasks.at(*worker.lease);
    Lease lease = LeaseOf(state_, held, worker.record.id);
    if (lease.inputs.size() == lease.def->inputs.size()) return lease;
    // An input was lost meanwhile and is being made again: the task, which it does not execute, waits for it.
    Apply(held, Released{lease.token});
    Apply(held, InputGone{});
  }
  if (worker.draining) return std::nullopt;
  while (true) {
    Settle();  // what the event made ready is offered too
    const std::optional<Choice> choice = ChooseTask(state_, worker);
    if (!choice.has_value()) {
      const std::optional<Digest> straggler = ChooseStraggler(state_, worker);
      if (!straggler.has_value()) return std::nullopt;
      return Duplicate(state_.tasks.at(*straggler), worker);
    }
    TaskEntry& task = state_.tasks.at(choice->task);
    // A task that came back from a worker may have lost an input while it was out.
    const auto& inputs = task.record.def->inputs;
    if (!std::all_of(inputs.begin(), inputs.end(),
                     [this](const auto& input) { return ReadableContentOf(state_, input.second).has_value(); })) {
      Apply(task, InputGone{});
      continue;
    }
    Lease lease = Begin(task, worker);
    if (choice->out_of_turn) {
      const auto twice_ms = static_cast<int64_t>(2000 * task.charged_seconds);
      worker.next_reserved_ms = now_.steady_ms + std::max(state_.options.patience_ms, twice_ms);
    }
    return lease;
  }
}

Lease Stepper::Begin(TaskEntry& task, WorkerEntry& worker) {
  state_.ready.NoteServed(task.place.demand, now_.steady_ms);
  Apply(task, Leased{worker.record.id, DeviceOf(worker.record)});
  task.leased_at_ms = now_.steady_ms;
  task.leased_unix_ms = now_.unix_ms;
  task.charged_from_ms = now_.steady_ms;
  task.charged_seconds = ExpectedSeconds(state_, task).value_or(kUnknownSeconds);
  state_.shares.Begin(task.place.project, task.charged_seconds);
  task.expected_bytes = ExpectedActivationBytes(state_, task);
  state_.activations.Expect(task.place.project, task.expected_bytes);
  Watch(task);
  NoteInputs(state_, *task.record.def, worker);
  return LeaseOf(state_, task, worker.record.id);
}

Lease Stepper::Duplicate(TaskEntry& task, WorkerEntry& worker) {
  const int64_t seconds = (now_.steady_ms - task.leased_at_ms) / 1000;
  LogTask(task, task.record.attempts + 1, DeviceOf(worker.record),
          absl::StrCat("attempt ", task.record.attempts + 1, " begins beside that of ", task.record.worker_name,
                       ", which has run for ", seconds,
                       " s, far longer than such tasks took (--straggler-factor): whoever ends first counts"),
          LogEcho::kProblem);
  task.older_leased_at_ms = std::exchange(task.leased_at_ms, now_.steady_ms);
  task.progress = Progress();
  Apply(task, Duplicated{worker.record.id, DeviceOf(worker.record)});
  NoteInputs(state_, *task.record.def, worker);
  return LeaseOf(state_, task, worker.record.id);
}

void Stepper::Watch(TaskEntry& task) {
  SetExecutionDeadline(state_, task, ExecutionDeadline(state_, task));
  // A lease has one duplicate at most: none while there is one, and none after it.
  SetStragglerTime(state_, task, task.record.older.has_value() ? 0 : StragglerTime(state_, task));
}

std::vector<std::string> Stepper::Blame(const TaskEntry& task, const WorkerRecord& worker, FailureCause cause,
                                        const std::string& message) {
  DeviceFailure failure{.task = task.record.key,
                        .run = task.wanted_by.empty() ? 0 : task.wanted_by.begin()->first,
                        .kind = task.record.def->kind,
                        .cause = cause,
                        .message = message};
  LogQuarantined(task, state_.health.Failed(DeviceOf(worker), failure, now_.steady_ms));
  std::vector<std::string> devices;
  for (const std::string& device : *state_.health.DevicesOf(task.record.key)) {
    if (devices.size() < kNamedDevices) devices.push_back(device);
  }
  return devices;
}

void Stepper::LogQuarantined(const TaskEntry& task, const std::vector<std::string>& devices) {
  for (const std::string& device : devices) {
    const int64_t seconds = (state_.health.QuarantinedUntil(device).value_or(0) - now_.steady_ms) / 1000;
    LogTask(task, 0, device,
            absl::StrCat("worker ", device, " is given nothing for ", seconds, " s: ", state_.health.Reason(device),
                         " (lwq workers --release ", device, ")"),
            LogEcho::kProblem);
  }
}

Status Stepper::On(const ReleaseWorker& event) {
  const auto named = state_.workers_by_name.find(event.worker);
  const WorkerId id = named == state_.workers_by_name.end() ? WorkerId{event.worker} : named->second;
  const auto worker = state_.workers.find(id);
  if (worker == state_.workers.end()) {
    return absl::NotFoundError(
        absl::StrCat("worker '", OneLine(event.worker, 80), "' is not known: give a name as lwq workers shows it"));
  }
  state_.health.Release(DeviceOf(worker->second.record));
  effects_.reply = WorkerReply{id};
  return absl::OkStatus();
}

Status Stepper::On(const LeaseTask& event) {
  LWQ_ASSIGN_OR_RETURN(WorkerEntry * worker, Hear(event.worker));
  effects_.reply = LeaseReply{LeaseFor(*worker)};
  return absl::OkStatus();
}

bool Stepper::IsKnown(const Digest& artifact) const {
  return state_.kept.Has(artifact) || state_.activations.all().contains(artifact);
}

bool Stepper::TakeCheckpoint(TaskEntry& task, const WorkerId& worker, uint64_t token, const StoredCheckpoint& stored) {
  TaskRecord& record = task.record;
  if (record.checkpoint.has_value() && record.checkpoint->artifact.digest == stored.artifact.digest) return true;
  if (IsKnown(stored.artifact.digest)) return true;
  const bool is_held = token != 0 && TokenOf(record, worker) == token;
  const TaskCheckpoint taken{stored.artifact, record.action_key, token, stored.step, stored.steps};
  if (!is_held || !Replaces(taken, record.checkpoint)) return false;
  const std::optional<TaskCheckpoint> before = std::exchange(record.checkpoint, taken);
  MarkChanged(task);
  if (before.has_value()) state_.activations.DiscardStray(before->artifact, effects_.changes);
  return true;
}

Status Stepper::On(const Heartbeat& event) {
  LWQ_ASSIGN_OR_RETURN(WorkerEntry * worker, Hear(event.worker));
  worker->draining = event.draining;
  CountWorker(state_, *worker);
  HeartbeatReply reply;
  std::vector<ArtifactRef> useless;  // checkpoints
  for (const TaskProgress& reported : event.tasks) {
    const auto it = state_.tasks.find(reported.task);
    if (it == state_.tasks.end()) {
      reply.lost.push_back({reported.task, reported.token, "the task is not known here"});
      if (reported.checkpoint.has_value() && !IsKnown(reported.checkpoint->artifact.digest)) {
        useless.push_back(reported.checkpoint->artifact);
      }
      continue;
    }
    TaskEntry& task = it->second;
    const TaskRecord& record = task.record;
    if (reported.token == record.reported_token) continue;  // Its report has overtaken this heartbeat.
    if (reported.checkpoint.has_value() && !TakeCheckpoint(task, event.worker, reported.token, *reported.checkpoint)) {
      useless.push_back(reported.checkpoint->artifact);
    }
    if (reported.token == 0 || TokenOf(record, event.worker) != reported.token) {
      reply.lost.push_back({reported.task, reported.token, ReasonOfLoss(record)});
      continue;
    }
    if (record.worker == event.worker) {  // Of two, the last shows how far it is.
      task.progress = reported.progress;
      task.progress.stage = OneLine(task.progress.stage, kMaxFieldBytes);
    }
    for (const auto& [sequence, position] : task.wanted_by) {
      RunEntry& run = RunAt(sequence);
      run.task_revisions[position] = Revise(state_, run);
    }
    TakeLines(task, reported.token, DeviceOf(worker->record), reported.log_lines, reported.first_log_line);
  }
  for (const Digest& artifact : event.discarded) {
    state_.activations.Deleted(event.worker, artifact, effects_.changes);
  }
  // A worker that is about to go is given nothing more to delete.
  if (!event.draining) {
    Settle();  // who reads what must be known
    reply.discard = state_.activations.Offer(event.worker, state_.options.activation_bytes, effects_.changes);
    reply.discard.insert(reply.discard.end(), useless.begin(), useless.end());
  }
  effects_.reply = std::move(reply);
  return absl::OkStatus();
}

namespace {

// What a report says happened, in three readings.
struct Outcome {
  TaskEvent event;
  std::string said;                     // for the log
  std::optional<Digest> lost_producer;  // whose output is to be made again
};

Outcome GivenBack(const TaskRecord& record, const ReportTask& report) {
  return {Released{report.token}, absl::StrCat("attempt ", AttemptOf(record, report.token), " given back"),
          std::nullopt};
}

Outcome OutcomeOf(const TaskRecord& record, const ReportTask& report, const ReportSuccess& success) {
  const std::string problem = ProblemWith(success, *record.def);
  if (!problem.empty()) {
    return {Failed{report.token, FailureCause::kTask, problem},
            absl::StrCat("attempt ", AttemptOf(record, report.token), " failed (TASK): ", problem), std::nullopt};
  }
  return {Succeeded{report.token, success.from_cache},
          absl::StrCat("attempt ", AttemptOf(record, report.token),
                       success.from_cache ? " found the result published" : " succeeded", " after ",
                       Seconds(report.seconds), TrainingNote(*record.def, success.metrics_json)),
          std::nullopt};
}

Outcome OutcomeOf(const TaskRecord& record, const ReportTask& report, const ReportFailure& failure) {
  Outcome outcome;
  Failed failed{report.token, failure.cause,
                OneLine(failure.message.empty() ? "no reason given" : failure.message, kMaxMessageBytes)};
  if (failure.cause == FailureCause::kInputLost) {
    const auto input = record.def->inputs.find(failure.input);
    const auto* made = input == record.def->inputs.end() ? nullptr : std::get_if<TaskOutputRef>(&input->second);
    if (made != nullptr) {
      outcome.lost_producer = made->derivation_key;
    } else {
      // A leaf was uploaded by a client: no task can make it again.
      failed.cause = FailureCause::kTask;
      failed.message = absl::StrCat(
          "input '", OneLine(failure.input, 80),
          "' is gone or damaged in the object store: submit the run again, which uploads it (", failed.message, ")");
    }
  }
  outcome.said = absl::StrCat("attempt ", AttemptOf(record, report.token), " failed (", FailureCauseName(failed.cause),
                              "): ", failed.message);
  outcome.event = std::move(failed);
  return outcome;
}

Outcome Interpret(const TaskRecord& record, const ReportTask& report) {
  if (const auto* success = std::get_if<ReportSuccess>(&report.outcome)) return OutcomeOf(record, report, *success);
  if (const auto* failure = std::get_if<ReportFailure>(&report.outcome)) return OutcomeOf(record, report, *failure);
  return GivenBack(record, report);
}

// ABORTED: the lease that the report names is another worker's.
Status CheckLeaseholder(const TaskRecord& record, const WorkerId& worker, const ReportTask& report) {
  const bool repeated = report.token != 0 && report.token == record.reported_token;
  const WorkerId* holder = HolderOf(record, report.token);
  if (repeated || holder == nullptr || *holder == worker) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("report on task ", record.key.short_hex(), ": lease token ", report.token,
                                         " belongs to ", holder->value, ", not to ", worker.value,
                                         "; drop the result"));
}

}  // namespace

void Stepper::LogReport(TaskEntry& task, const WorkerEntry& worker, const ReportTask& report, const std::string& said) {
  const std::string& device = DeviceOf(worker.record);
  TakeLines(task, report.token, device, report.log_lines, report.first_log_line);
  EndLines(task, report.token, device);
  const bool failed = std::holds_alternative<ReportFailure>(report.outcome);
  LogTask(task, AttemptOf(task.record, report.token), device, said, failed ? LogEcho::kProblem : LogEcho::kDetail);
}

void Stepper::RecordResult(const TaskEntry& task, const ReportTask& report, const ReportSuccess& success) {
  const double seconds = report.seconds_before + report.seconds;  // of all the work that is in it
  ActionRecord action{.key = task.record.action_key,
                      .outputs = success.outputs,
                      .metrics_json = success.metrics_json,
                      .seconds = seconds,
                      .peak_memory_bytes = report.peak_memory_bytes,
                      .peak_rss_bytes = report.peak_rss_bytes,
                      .finished_unix_ms = success.from_cache ? 0 : now_.unix_ms};
  RememberAction(state_, task.record.def->kind, std::move(action), effects_.changes);
  if (!success.from_cache) LearnFrom(state_, task, seconds);
}

void Stepper::NoteExecuted(const TaskEntry& task, const WorkerRecord& worker, const ReportSuccess& success) {
  if (success.from_cache) return state_.health.Forget(task.record.key);
  LogQuarantined(task,
                 state_.health.Succeeded(DeviceOf(worker), task.record.key, task.record.def->kind, now_.steady_ms));
}

Status Stepper::ApplyReport(TaskEntry& task, const WorkerEntry& worker, const ReportTask& report) {
  LWQ_RETURN_IF_ERROR(CheckLeaseholder(task.record, worker.record.id, report));
  Outcome outcome = Interpret(task.record, report);
  LWQ_ASSIGN_OR_RETURN(TaskStep step, NextTask(task.record, outcome.event));
  if (!step.changed) return absl::OkStatus();
  LogReport(task, worker, report, outcome.said);
  auto* failed = std::get_if<Failed>(&outcome.event);
  if (failed != nullptr && MayBeTheDevices(failed->cause)) {
    failed->devices = Blame(task, worker.record, failed->cause, failed->message);
    LWQ_ASSIGN_OR_RETURN(step, NextTask(task.record, outcome.event));
  }
  if (std::holds_alternative<Succeeded>(outcome.event)) {
    const auto& success = std::get<ReportSuccess>(report.outcome);
    RecordResult(task, report, success);
    NoteExecuted(task, worker.record, success);
  }
  Replace(task, std::move(step));
  NoteMade(state_, task, effects_.changes);
  if (outcome.lost_producer.has_value() && task.record.state == TaskState::kBlocked) Rewind(*outcome.lost_producer);
  return absl::OkStatus();
}

Status Stepper::On(const ReportTask& event) {
  LWQ_ASSIGN_OR_RETURN(WorkerEntry * worker, Hear(event.worker));
  const auto task = state_.tasks.find(event.task);
  if (task == state_.tasks.end()) {
    return absl::AbortedError(
        absl::StrCat("report on task ", event.task.short_hex(), ": the task is not known here; drop the result"));
  }
  const bool repeated = event.token == task->second.record.reported_token;
  if (event.checkpoint.has_value() && !repeated &&
      !TakeCheckpoint(task->second, event.worker, event.token, *event.checkpoint)) {
    state_.activations.DiscardStray(event.checkpoint->artifact, effects_.changes);
  }
  LWQ_RETURN_IF_ERROR(ApplyReport(task->second, *worker, event));
  const auto* success = std::get_if<ReportSuccess>(&event.outcome);
  if (success != nullptr && !success->from_cache) {
    for (const auto& [role, made] : success->outputs) worker->local.Use(made, worker->record.cache_bytes);
  }
  effects_.reply = LeaseReply{event.lease_next ? LeaseFor(*worker) : std::nullopt};
  return absl::OkStatus();
}

void Stepper::EndExecution(TaskEntry& task) {
  const TaskRecord& record = task.record;
  const bool duplicated = IsDuplicated(record);
  const WorkerRecord& worker = state_.workers.at(duplicated ? record.older->worker : record.worker).record;
  const uint64_t token = TokenOf(record, worker.id);
  const int64_t seconds = (now_.steady_ms - (duplicated ? task.older_leased_at_ms : task.leased_at_ms)) / 1000;
  const std::string reason = absl::StrCat("it has run for ", seconds, " s, far longer than such tasks took");
  const int attempt = AttemptOf(record, token);
  EndLines(task, token, DeviceOf(worker));
  LogTask(task, attempt, DeviceOf(worker),
          absl::StrCat("attempt ", attempt, " taken from the worker: ", reason, " (--execution-factor)"),
          LogEcho::kProblem);
  Apply(task, LeaseLost{token, Blame(task, worker, FailureCause::kLeaseLost, reason)});
}

Status Stepper::On(const Tick&) {
  // When this very process was stopped for long, silence says nothing about the workers: all get a new lease time.
  const int64_t stalled_ms =
      state_.worker_deadlines.empty() ? 0 : now_.steady_ms - state_.worker_deadlines.begin()->first;
  if (stalled_ms > state_.options.lease_ms / 2) {
    for (auto& [id, worker] : state_.workers) {
      if (worker.alive) SetWorkerDeadline(state_, worker, now_.steady_ms + state_.options.lease_ms);
    }
    for (const auto& [deadline_ms, key] : std::set(state_.execution_deadlines)) {
      SetExecutionDeadline(state_, state_.tasks.at(key), deadline_ms + stalled_ms);
    }
    for (const auto& [time_ms, key] : std::set(state_.straggler_times)) {
      SetStragglerTime(state_, state_.tasks.at(key), time_ms + stalled_ms);
    }
  }
  while (!state_.delayed.empty() && state_.delayed.begin()->first <= now_.steady_ms) {
    TaskEntry& task = state_.tasks.at(state_.delayed.begin()->second);
    UnindexTask(state_, task);
    IndexTask(state_, task);
  }
  while (!state_.worker_deadlines.empty() && state_.worker_deadlines.begin()->first <= now_.steady_ms) {
    const WorkerId id = state_.worker_deadlines.begin()->second;
    WorkerEntry& worker = state_.workers.at(id);
    if (!worker.alive) {
      Forget(id, /*replaced=*/false);
      continue;
    }
    worker.alive = false;
    UncountWorker(state_, worker);
    WorkerWent();
    SetWorkerDeadline(state_, worker,
                      std::max(worker.last_seen_ms + state_.options.forget_worker_ms, now_.steady_ms + 1));
    LoseLease(worker);
  }
  while (!state_.execution_deadlines.empty() && state_.execution_deadlines.begin()->first <= now_.steady_ms) {
    EndExecution(state_.tasks.at(state_.execution_deadlines.begin()->second));
  }
  NoteStragglers(state_, now_.steady_ms);
  state_.health.Advance(now_.steady_ms);
  if (state_.missed_workers_due_ms != 0 && state_.missed_workers_due_ms <= now_.steady_ms) {
    state_.missed_workers_due_ms = 0;
    NoteMissingWorkers(/*may_begin=*/true);
  }
  RetireDue(state_, now_, effects_.changes);
  PinPendingRuns();
  return absl::OkStatus();
}

}  // namespace lwq::coordinator
