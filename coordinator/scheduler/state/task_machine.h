// SPDX-License-Identifier: Apache-2.0
// One task's life, as a pure function from (record, event) to the next record.
//
//              Unblocked            Leased              Succeeded
//   BLOCKED ─────────────▶ READY ─────────────▶ LEASED ─────────────▶ SUCCEEDED
//      ▲  │                 │ ▲ ▲                │ │ │                    │
//      │  │ Remembered      │ │ └────────────────┘ │ │ Failed (no more    │ OutputLost
//      │  └──────────▶ SUCCEEDED   Failed (again), │ └▶ tries) FAILED     ▼
//      └───────────────────┘       Released,       └ Failed (input lost, ▶ BLOCKED
//        InputGone                 LeaseLost         halved rates) BLOCKED
//
//   Unwanted: BLOCKED, READY, LEASED → CANCELLED.   WantedAgain: FAILED, CANCELLED → BLOCKED with fresh budgets.
//   Duplicated: LEASED → LEASED, to a second worker as well. Of the two the first success counts; every other end of
//   one leaves the task to the other: LEASED → LEASED.
//
// Reports (Succeeded, Failed, Released) carry the lease's token: that of a lease that holds is applied, one that was
// applied already changes nothing, every other is ABORTED. Other events that change nothing leave the record as it is;
// an event that is illegal in a state is FAILED_PRECONDITION naming both.
//
// Pure; thread-safe. Not here: when inputs are known, who is leased what, clocks and queues (step.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/status/status.h"
#include "coordinator/scheduler/state/records.h"

namespace lwq::coordinator {

// Its inputs are known and no other task is doing the same action.
struct Unblocked {
  Digest action_key;
};
// The action's result is known.
struct Remembered {
  Digest action_key;
};
struct Leased {
  WorkerId worker;
  std::string worker_name;
};
// Of a task that one worker has.
struct Duplicated {
  WorkerId worker;
  std::string worker_name;
};
struct Succeeded {
  uint64_t token = 0;
  bool from_cache = false;
};
struct Failed {
  uint64_t token = 0;
  FailureCause cause = FailureCause::kTask;
  std::string message;
  std::vector<std::string> devices = {};  // where it has failed for such causes, if it may be theirs (retry.h)
};
struct Released {
  uint64_t token = 0;
};
// The worker fell silent or was replaced.
struct LeaseLost {
  uint64_t token = 0;                     // of a task that two workers have; else it need not be said
  std::vector<std::string> devices = {};  // as in Failed
};
// A result that was there is gone: it has to be made again.
struct OutputLost {};
// An input that was there is being made again.
struct InputGone {};
struct Unwanted {};
struct WantedAgain {};

using TaskEvent = std::variant<Unblocked, Remembered, Leased, Duplicated, Succeeded, Failed, Released, LeaseLost,
                               OutputLost, InputGone, Unwanted, WantedAgain>;
std::string_view TaskEventName(const TaskEvent& event);

struct TaskStep {
  TaskRecord task;
  bool changed = false;
  int64_t delay_ms = 0;  // READY, but not before this much time has passed
};

// How often failures of the task are forgiven.
RetryLimits LimitsOf(const TaskRecord& task);

StatusOr<TaskStep> NextTask(const TaskRecord& task, const TaskEvent& event);

}  // namespace lwq::coordinator
