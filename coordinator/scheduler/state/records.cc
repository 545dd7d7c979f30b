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

}  // namespace lwq::coordinator
