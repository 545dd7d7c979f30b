// SPDX-License-Identifier: Apache-2.0
// The worker's side of the lease protocol as a pure state machine: which call comes next, given how the last one ended.
//
//   registering ──▶ idle ──lease──▶ executing ──▶ reporting ──▶ idle …
//        ▲            │ drain                        │ drain
//        └─NOT_FOUND──┴──────────▶ done ◀────────────┘
//
// What each status code of each call means is one table (session.cc, tested row by row): UNAVAILABLE and
// DEADLINE_EXCEEDED are tried again with back-off for as long as it takes, since a coordinator that restarts must not
// cost a task; so is UNAUTHENTICATED once the worker was registered, since its token is being renewed; NOT_FOUND means
// register again; ABORTED on a report means the lease was stale and the result is dropped; a report that is refused as
// it is (RESOURCE_EXHAUSTED: too large, INTERNAL: not readable, INVALID_ARGUMENT) is replaced once by one that says so
// and nothing else, so that a task's odd outcome costs the task and not the worker; anything else ends the process.
//
// Thread-safety: none; the worker's main loop owns it. Determinism: back-off comes from the attempt number alone,
// spread by a number the caller gives (`spread_seed`), no clock, no random device. Not here: gRPC, execution,
// heartbeats.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/status/status.h"

namespace lwq::worker {

enum class Call { kRegister, kLease, kReport };

enum class Step {
  kRegister,
  kLease,          // wait for a task
  kExecute,        // the task it was given
  kReport,         // the outcome of the last execution
  kReportRefusal,  // in its place, that its report was refused: see refusal()
  kExit,           // drained, or a fatal error: see fatal()
};

struct NextStep {
  Step step = Step::kRegister;
  int64_t delay_ms = 0;      // wait this long first; a drain request cuts it short unless an outcome is in hand
  bool has_outcome = false;  // then only the end of the drain cuts it short
};

class Session {
 public:
  explicit Session(uint64_t spread_seed) : spread_seed_(spread_seed) {}

  NextStep Next() const;

  void OnRegistered();
  // `got_task` false: the wait ended without one.
  void OnLeaseAnswered(bool got_task);
  void OnExecuted();
  // `got_next`: the answer carried the next lease.
  void OnReported(bool got_next);
  void OnCallFailed(Call call, const Status& status);

  // Finish what is in hand (the caller may cancel it), ask for nothing more, then exit.
  void RequestDrain() { draining_ = true; }
  // The time for that is over: an outcome that cannot be reported now is left to its lease's end. The result is in the
  // object store, and whoever gets the task next finds it there.
  void EndDrain();
  bool draining() const { return draining_; }
  // Why the process must end with an error; OK after a drain.
  const Status& fatal() const { return fatal_; }
  // With what the report of the last outcome was refused; OK if it was not.
  const Status& refusal() const { return refusal_; }
  // How often the current call has failed in a row.
  int failures() const { return failures_; }

 private:
  enum class State { kRegistering, kIdle, kExecuting, kReporting, kDone };

  State state_ = State::kRegistering;
  bool report_after_register_ = false;  // the outcome is still in hand
  bool draining_ = false;
  bool drain_ended_ = false;
  int failures_ = 0;
  uint64_t spread_seed_ = 0;
  Status refusal_;
  Status fatal_;
};

// Delay before try `failures` + 1 of a call: 100 ms doubled each time up to 5 s, less up to half of it by `spread`.
int64_t BackOffMs(int failures, uint64_t spread);

}  // namespace lwq::worker
