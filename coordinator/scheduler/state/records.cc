// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/records.h"

namespace lwq::coordinator {

std::string_view RunStateName(RunState state) {
  switch (state) {
    case RunState::kPending:
      return "PENDING";
    case RunState::kRunning:
      return "RUNNING";
    case RunState::kSucceeded:
      return "SUCCEEDED";
    case RunState::kFailed:
      return "FAILED";
    case RunState::kCancelled:
      return "CANCELLED";
    case RunState::kStopped:
      return "STOPPED";
  }
  return "UNKNOWN";
}

std::string_view TaskStateName(TaskState state) {
  switch (state) {
    case TaskState::kBlocked:
      return "BLOCKED";
    case TaskState::kReady:
      return "READY";
    case TaskState::kLeased:
      return "LEASED";
    case TaskState::kSucceeded:
      return "SUCCEEDED";
    case TaskState::kFailed:
      return "FAILED";
    case TaskState::kCancelled:
      return "CANCELLED";
  }
  return "UNKNOWN";
}

bool IsTerminal(RunState state) {
  switch (state) {
    case RunState::kPending:
    case RunState::kRunning:
    case RunState::kStopped:
      return false;
    case RunState::kSucceeded:
    case RunState::kFailed:
    case RunState::kCancelled:
      return true;
  }
  return false;
}

const WorkerId* HolderOf(const TaskRecord& task, uint64_t token) {
  if (task.state != TaskState::kLeased || token == 0) return nullptr;
  if (task.older.has_value() && task.older->token == token) return &task.older->worker;
  return task.token == token && !task.only_older ? &task.worker : nullptr;
}

uint64_t TokenOf(const TaskRecord& task, const WorkerId& worker) {
  if (task.state != TaskState::kLeased) return 0;
  if (task.older.has_value() && task.older->worker == worker) return task.older->token;
  return task.worker == worker && !task.only_older ? task.token : 0;
}

int AttemptOf(const TaskRecord& task, uint64_t token) {
  return IsDuplicated(task) && token == task.older->token ? task.attempts - 1 : task.attempts;
}

}  // namespace lwq::coordinator
