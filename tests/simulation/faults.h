// SPDX-License-Identifier: Apache-2.0
// What goes wrong in a simulated world, drawn from its seed, and the mutants that prove that the checker looks.
#pragma once

#include <cstdint>

#include "tests/simulation/sim_random.h"

namespace lwq::coordinator::simulation {

// Rates are per message, per attempt, or per 100 ms of simulated time.
struct Faults {
  double drop = 0;                 // a message or a reply is lost
  double duplicate = 0;            // it arrives twice
  double slow = 0;                 // it takes seconds instead of milliseconds
  double worker_kill = 0;          // SIGKILL and a new process of the same name
  double worker_kill_renamed = 0;  // and a new process of another name
  double worker_pause = 0;         // SIGSTOP for longer than a lease
  double crash_idle = 0;           // the coordinator dies between two messages
  double crash_before_commit = 0;  // per step that changes something
  double crash_after_commit = 0;   // and before its reply leaves
  double infrastructure = 0;       // an attempt fails for no reason of its own
  double memory = 0;
  double release = 0;      // a worker drains and gives back
  double evict = 0;        // an object that a task made disappears
  double cancel = 0;       // a client cancels its run
  double pause = 0;        // a client pauses a run or resumes it
  double device = 0;       // an attempt on the first of several workers fails: its device is bad
  bool slow_last = false;  // the last of several workers takes ten times as long
  double erase = 0;        // a client deletes a run, whatever its state
  double remake = 0;       // a client finds a run's export gone
  double checkpoint = 0;   // a training is saved, per 50 ms
};

// Each kind of fault is on or off, and harder or softer: swarm testing.
inline Faults DrawFaults(SimRandom& random) {
  const auto draw = [&](double most) { return random.Chance(0.6) ? random.Fraction() * most : 0; };
  Faults faults;
  faults.drop = draw(0.2);
  faults.duplicate = draw(0.2);
  faults.slow = draw(0.05);
  faults.worker_kill = draw(0.03);
  faults.worker_kill_renamed = draw(0.01);
  faults.worker_pause = draw(0.02);
  faults.crash_idle = draw(0.02);
  faults.crash_before_commit = draw(0.01);
  faults.crash_after_commit = draw(0.01);
  faults.infrastructure = draw(0.05);
  faults.memory = draw(0.01);
  faults.release = draw(0.05);
  faults.evict = draw(0.05);
  faults.cancel = draw(0.01);
  faults.pause = draw(0.03);
  faults.device = random.Chance(0.3) ? 0.5 + random.Fraction() / 2 : 0;
  faults.slow_last = random.Chance(0.5);
  faults.erase = draw(0.01);
  faults.remake = draw(0.05);
  faults.checkpoint = draw(0.5);
  return faults;
}

// A bug planted around the scheduler. Each must be caught.
enum class Mutant {
  kNone,
  kSkipTokenCheck,       // late reports are applied as if they were current
  kReplyBeforeCommit,    // the answer leaves although the commit was lost
  kLoseTaskChange,       // a changed task is not stored
  kForgetDroppedResult,  // a lost result is not dropped from the store
  kGrantTwice,           // a lease is handed to a second worker as well
  kReadyBeforeInputs,    // a task is offered before its inputs exist
  kReviveRun,            // a finished run runs again
  kForgetReadyTask,      // a ready task falls out of the queue
  kForgetSubmission,     // an acknowledged run is not stored
  kDiscardWhatIsRead,    // an activation is discarded although a ready task reads it
  kLoseDiscard,          // that an artifact was discarded is not stored
  kOfferDeleted,         // a deleted activation is taken for one that is there
  kForgetRungResult,     // what halving goes by is not stored
  kKeepOrphans,          // tasks of a deleted run are not deleted from the store
  kReuseTokens,          // a task that comes again after its deletion begins with the tokens it had
  kDiscardCheckpoint,    // a checkpoint is discarded although the next attempt would go on from it
  kForgetCheckpoint,     // one that is replaced or of no use any more is not deleted
  kTakeAnyCheckpoint,    // one is taken whoever stored it
};

}  // namespace lwq::coordinator::simulation
