// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/task_machine.h"

#include <array>
#include <span>
#include <type_traits>
#include <utility>

#include "absl/strings/str_join.h"

namespace lwq::coordinator {
namespace {

TaskStep Unchanged(const TaskRecord& task) {
  return {.task = task};
}
// Attempts at the action that the checkpoint is of are still to come. While the action is not known, as long as an
// input is made again, it may be the same.
bool IsOfUse(const TaskCheckpoint& checkpoint, const TaskRecord& task) {
  switch (task.state) {
    case TaskState::kBlocked:
      return task.action_key.is_zero() || task.action_key == checkpoint.action;
    case TaskState::kReady:
    case TaskState::kLeased:
      return task.action_key == checkpoint.action;
    case TaskState::kSucceeded:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return false;
  }
  return false;
}

TaskStep Changed(TaskRecord task, int64_t delay_ms = 0) {
  if (task.checkpoint.has_value() && !IsOfUse(*task.checkpoint, task)) task.checkpoint.reset();
  if (task.state != TaskState::kLeased) {
    task.older.reset();
    task.only_older = false;
  }
  return {.task = std::move(task), .changed = true, .delay_ms = delay_ms};
}

Status Illegal(const TaskRecord& task, const TaskEvent& event) {
  return absl::FailedPreconditionError(absl::StrCat("task ", task.key.short_hex(), " is ", TaskStateName(task.state),
                                                    ": ", TaskEventName(event), " cannot happen to it"));
}

Status Stale(const TaskRecord& task, uint64_t token) {
  const uint64_t held = task.only_older ? task.older->token : task.token;
  std::string current = task.state == TaskState::kLeased ? absl::StrCat("current is ", held, " of ", task.worker_name)
                                                         : absl::StrCat("the task is ", TaskStateName(task.state));
  return absl::AbortedError(absl::StrCat("report on task ", task.key.short_hex(), ": lease token ", token,
                                         " is stale, ", current, "; drop the result and ask for new work"));
}

// What a report does once its token is known to be the current one.
TaskStep Apply(TaskRecord task, const Succeeded& event) {
  task.state = TaskState::kSucceeded;
  task.from_cache = event.from_cache;
  task.error.clear();
  return Changed(std::move(task));
}

}  // namespace

RetryLimits LimitsOf(const TaskRecord& task) {
  return {task.divergence_retries, static_cast<int>(task.def->inputs.size())};
}

namespace {

// " (3 times, on a, b and c)"
std::string TimesText(int failures, const std::vector<std::string>& devices) {
  if (devices.empty()) return absl::StrCat(" (", failures, " times)");
  const std::span<const std::string> but_last(devices.begin(), devices.end() - 1);
  return absl::StrCat(" (", failures, " times, on ", absl::StrJoin(but_last, ", "), but_last.empty() ? "" : " and ",
                      devices.back(), ")");
}

TaskStep AfterFailure(TaskRecord task, FailureCause cause, const std::string& message,
                      const std::vector<std::string>& devices) {
  const int failures = ++task.failures[static_cast<size_t>(cause)];
  task.error = message;
  const RetryDecision decision = DecideRetry(cause, failures, devices.size(), LimitsOf(task));
  switch (decision.action) {
    case RetryAction::kGiveUp:
      task.state = TaskState::kFailed;
      if (failures > 1) task.error += TimesText(failures, devices);
      break;
    case RetryAction::kAgain:
      task.state = TaskState::kReady;
      break;
    case RetryAction::kAfterInput:
      task.state = TaskState::kBlocked;
      task.action_key = Digest();
      break;
    case RetryAction::kHalvedLearningRate:
      task.state = TaskState::kBlocked;
      task.action_key = Digest();
      ++task.lr_halvings;
      break;
  }
  return Changed(std::move(task), decision.delay_ms);
}

TaskStep Apply(TaskRecord task, const Failed& event) {
  return AfterFailure(std::move(task), event.cause, event.message, event.devices);
}

TaskStep Apply(TaskRecord task, const Released&) {
  task.state = TaskState::kReady;
  --task.attempts;
  return Changed(std::move(task));
}

// Of the two leases the one of this token has ended: the task is left to the other.
TaskRecord WithoutLease(TaskRecord task, uint64_t token) {
  LWQ_CHECK(task.older.has_value(), "task ", task.key.short_hex(), " is leased once");
  if (token == task.older->token) {
    task.older.reset();
  } else {
    // What is stored names the older worker with a token that nobody has had: after a restart it begins again under it.
    task.only_older = true;
    ++task.token;
    task.worker = task.older->worker;
    task.worker_name = task.older->worker_name;
  }
  return task;
}

template <typename Report>
StatusOr<TaskStep> OnReport(const TaskRecord& task, const Report& event) {
  if (event.token != 0 && event.token == task.reported_token) return Unchanged(task);
  if (HolderOf(task, event.token) == nullptr) return Stale(task, event.token);
  TaskRecord next = task;
  next.reported_token = event.token;
  if (IsDuplicated(task)) {
    // What a failure means is left to the other lease, which the same happens to unless it was the device's.
    if (std::is_same_v<Report, Released>) --next.attempts;
    if (!std::is_same_v<Report, Succeeded>) return Changed(WithoutLease(std::move(next), event.token));
    if (event.token == task.older->token) next = WithoutLease(std::move(next), task.token);
  }
  return Apply(std::move(next), event);
}

StatusOr<TaskStep> On(const TaskRecord& task, const Succeeded& event) {
  return OnReport(task, event);
}
StatusOr<TaskStep> On(const TaskRecord& task, const Failed& event) {
  return OnReport(task, event);
}
StatusOr<TaskStep> On(const TaskRecord& task, const Released& event) {
  return OnReport(task, event);
}

StatusOr<TaskStep> On(const TaskRecord& task, const Unblocked& event) {
  switch (task.state) {
    case TaskState::kBlocked: {
      TaskRecord next = task;
      next.state = TaskState::kReady;
      next.action_key = event.action_key;
      return Changed(std::move(next));
    }
    case TaskState::kReady:
      if (task.action_key == event.action_key) return Unchanged(task);
      return Illegal(task, event);
    case TaskState::kLeased:
    case TaskState::kSucceeded:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return Illegal(task, event);
  }
  return Illegal(task, event);
}

StatusOr<TaskStep> On(const TaskRecord& task, const Remembered& event) {
  switch (task.state) {
    case TaskState::kBlocked: {
      TaskRecord next = task;
      next.state = TaskState::kSucceeded;
      next.action_key = event.action_key;
      next.from_cache = true;
      next.error.clear();
      return Changed(std::move(next));
    }
    case TaskState::kSucceeded:
      if (task.action_key == event.action_key) return Unchanged(task);
      return Illegal(task, event);
    case TaskState::kReady:
    case TaskState::kLeased:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return Illegal(task, event);
  }
  return Illegal(task, event);
}

StatusOr<TaskStep> On(const TaskRecord& task, const Leased& event) {
  switch (task.state) {
    case TaskState::kReady: {
      TaskRecord next = task;
      next.state = TaskState::kLeased;
      ++next.token;
      ++next.attempts;
      next.worker = event.worker;
      next.worker_name = event.worker_name;
      return Changed(std::move(next));
    }
    case TaskState::kBlocked:
    case TaskState::kLeased:
    case TaskState::kSucceeded:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return Illegal(task, event);
  }
  return Illegal(task, event);
}

StatusOr<TaskStep> On(const TaskRecord& task, const Duplicated& event) {
  switch (task.state) {
    case TaskState::kLeased: {
      if (task.older.has_value()) return Illegal(task, event);
      TaskRecord next = task;
      next.older = OlderLease{task.token, task.worker, task.worker_name};
      ++next.token;
      ++next.attempts;
      next.worker = event.worker;
      next.worker_name = event.worker_name;
      return Changed(std::move(next));
    }
    case TaskState::kBlocked:
    case TaskState::kReady:
    case TaskState::kSucceeded:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return Illegal(task, event);
  }
  return Illegal(task, event);
}

StatusOr<TaskStep> On(const TaskRecord& task, const LeaseLost& event) {
  switch (task.state) {
    case TaskState::kLeased:
      if (IsDuplicated(task)) return Changed(WithoutLease(task, event.token));
      return AfterFailure(task, FailureCause::kLeaseLost,
                          absl::StrCat("worker ", task.worker_name, " fell silent while executing it"), event.devices);
    case TaskState::kBlocked:
    case TaskState::kReady:
    case TaskState::kSucceeded:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return Illegal(task, event);
  }
  return Illegal(task, event);
}

StatusOr<TaskStep> On(const TaskRecord& task, const OutputLost& event) {
  switch (task.state) {
    case TaskState::kSucceeded: {
      TaskRecord next = task;
      next.state = TaskState::kBlocked;
      next.action_key = Digest();
      next.from_cache = false;
      return Changed(std::move(next));
    }
    case TaskState::kBlocked:  // Being made again.
    case TaskState::kReady:
    case TaskState::kLeased:
      return Unchanged(task);
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return Illegal(task, event);
  }
  return Illegal(task, event);
}

StatusOr<TaskStep> On(const TaskRecord& task, const InputGone& event) {
  switch (task.state) {
    case TaskState::kReady: {
      TaskRecord next = task;
      next.state = TaskState::kBlocked;
      next.action_key = Digest();
      return Changed(std::move(next));
    }
    case TaskState::kBlocked:
    case TaskState::kLeased:  // It may have read its input already; if not, it will say so.
    case TaskState::kSucceeded:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return Unchanged(task);
  }
  return Illegal(task, event);
}

StatusOr<TaskStep> On(const TaskRecord& task, const Unwanted& event) {
  switch (task.state) {
    case TaskState::kBlocked:
    case TaskState::kReady:
    case TaskState::kLeased: {
      TaskRecord next = task;
      next.state = TaskState::kCancelled;
      return Changed(std::move(next));
    }
    case TaskState::kSucceeded:
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return Unchanged(task);
  }
  return Illegal(task, event);
}

StatusOr<TaskStep> On(const TaskRecord& task, const WantedAgain& event) {
  switch (task.state) {
    case TaskState::kFailed:
    case TaskState::kCancelled: {
      TaskRecord next = task;
      next.state = TaskState::kBlocked;
      next.action_key = Digest();
      next.attempts = 0;
      next.failures = {};
      next.lr_halvings = 0;
      next.from_cache = false;
      next.error.clear();
      return Changed(std::move(next));
    }
    case TaskState::kBlocked:
    case TaskState::kReady:
    case TaskState::kLeased:
    case TaskState::kSucceeded:
      return Unchanged(task);
  }
  return Illegal(task, event);
}

constexpr std::array<std::string_view, std::variant_size_v<TaskEvent>> kEventNames = {
    "Unblocked", "Remembered", "Leased",     "Duplicated", "Succeeded", "Failed",
    "Released",  "LeaseLost",  "OutputLost", "InputGone",  "Unwanted",  "WantedAgain"};

}  // namespace

std::string_view TaskEventName(const TaskEvent& event) {
  return kEventNames[event.index()];
}

StatusOr<TaskStep> NextTask(const TaskRecord& task, const TaskEvent& event) {
  return std::visit([&](const auto& happened) { return On(task, happened); }, event);
}

}  // namespace lwq::coordinator
