// SPDX-License-Identifier: Apache-2.0
// A whole cluster in one thread on simulated time: a coordinator that dies and restarts from its store, workers that
// die, freeze and answer late, clients that submit and cancel, a network that loses, doubles and delays, an object
// store that loses blobs and from which workers delete what the coordinator discards, some late. One seed decides
// everything.
//
// The coordinator is the production scheduler (Step, RestoreState) over the in-memory store; only the loop around it is
// simulated. Two phases: faults for a while, then none, after which every run must end. Thread-safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "coordinator/scheduler/step/step.h"
#include "coordinator/store/memory_store.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/sim_random.h"

namespace lwq::coordinator::simulation {

struct WorldReport {
  std::string violation;   // "" = all held
  std::string log_digest;  // of everything that happened: equal for equal seeds
  int64_t steps = 0;
  int64_t executions = 0;
  int runs_succeeded = 0;
  int runs = 0;
  int runs_stopped = 0;  // by halving
  int restarts = 0;
  int kills = 0;
  int discards = 0;             // artifacts that workers deleted
  int remakes = 0;              // discarded artifacts that were made again
  int duplicates = 0;           // leases beside another of the same task
  int quarantines = 0;          // begun
  int deletions = 0;            // runs that were deleted while others went on
  int restored = 0;             // results of finished runs that were asked for again and made
  int checkpoints = 0;          // stored
  int gone_on = 0;              // executions that began where another had been
  int checkpoints_refused = 0;  // that their workers were told to delete at once
};

// One life of a world.
WorldReport SimulateWorld(uint64_t seed, Mutant mutant);

// How the spec ends when nothing goes wrong but what is in the tasks themselves.
RunRecord UndisturbedRun(const RunSpec& spec);
// The same of a sweep with halving.
EndedSweep UndisturbedSweep(const SubmitSweep& sweep);

// What executing the lease comes to, apart from faults: a pure function of the action (some trainings diverge).
std::variant<ReportReleased, ReportSuccess, ReportFailure> HonestOutcome(const Lease& lease);

class World {
 public:
  World(uint64_t seed, Mutant mutant);
  WorldReport Run();

 private:
  struct SimWorker {
    std::string name;
    bool up = false;
    int incarnation = 0;  // of the process; events of an older one are void
    int64_t paused_until_ms = 0;
    WorkerId id;                                 // "" = not registered
    std::optional<Lease> lease;                  // being executed
    int64_t step = 0;                            // of it
    std::optional<StoredCheckpoint> checkpoint;  // the last of that execution
    std::optional<ReportTask> report;            // not yet answered
    int64_t call = 0;                            // the call whose answer is awaited
    std::set<Digest> deleting;                   // told to delete, not done yet
    std::set<Digest> deleted;                    // done, and the coordinator may not know
  };
  struct SimRun {
    RunSpec spec;
    std::string request_id;
    std::optional<RunId> id;
    bool cancel_asked = false;
    bool delete_asked = false;
  };
  // A sweep with halving.
  struct SimSweep {
    SubmitSweep submission;
    std::optional<SweepId> id;
    bool touched = false;       // a client cancelled a run of it, or resumed one that was stopped
    bool delete_asked = false;  // a run of it
  };
  struct Happening {
    int64_t time_ms;
    int64_t order;
    std::function<void()> act;
    bool operator<(const Happening& other) const {
      return std::tie(time_ms, order) > std::tie(other.time_ms, other.order);  // the earliest on top
    }
  };
  using OnReply = std::function<void(const Status&, const Reply&)>;

  void At(int64_t time_ms, std::function<void()> act);
  void After(int64_t delay_ms, std::function<void()> act) { At(now_ms_ + delay_ms, std::move(act)); }
  Instant Now() const { return {.steady_ms = now_ms_, .unix_ms = 1'700'000'000'000 + now_ms_}; }
  void Log(const std::string& line);
  int64_t MessageDelay();

  // Coordinator.
  void Boot();
  // `committed`: the state says what the store says.
  void Crash(int64_t down_ms, bool committed);
  void Deliver(const Event& event, const OnReply& reply);
  // A submission is prepared with the state as it is now, and delivered a while later.
  void Arrive(const Event& event, const OnReply& reply);
  void ScheduleTick();
  // Sends an event over the network; `reply` is called zero, one or two times.
  void Send(const Event& event, const OnReply& reply);
  void Mutate(const Event& original, Event& event);
  void MutateEffects(Effects& effects);
  void DiscardWhatIsRead(Effects& effects);
  void ForgetCheckpoints(Effects& effects);
  void MutateState();

  // Workers.
  void StartWorker(size_t index);
  void KillWorker(size_t index, bool rename);
  void Proceed(size_t index);
  void Call(size_t index, const Event& event, const OnReply& reply);
  void Take(size_t index, const Lease& lease);
  void FinishExecution(size_t index, int incarnation, uint64_t token);
  // Now and then, as long as that lease is executed.
  void SaveExecution(size_t index, int incarnation, uint64_t token);
  void Beat(size_t index, int incarnation);
  void Delete(size_t index, const ArtifactRef& artifact);
  // Runs `act` in the worker's process: now, when it thaws, or never (it died).
  void InWorker(size_t index, int incarnation, std::function<void()> act);

  // Clients.
  void SubmitUntilAnswered(size_t run);
  void SubmitSweepUntilAnswered();
  void MeddleWithSweep();
  bool SweepHasEnded() const;
  void Misfortunes();
  // One run, as its client pleases.
  void Meddle(SimRun& run);
  // What happens next; requires that something does.
  void Next();
  // Everything that happens in the next so many milliseconds.
  void Pass(int64_t ms);
  // The end: nothing may be left of anything.
  void DeleteAll();
  void ResumeAll();

  const Mutant mutant_;
  SimRandom random_;
  Faults faults_;
  bool healed_ = false;
  int64_t now_ms_ = 0;
  int64_t next_order_ = 0;
  std::priority_queue<Happening> happenings_;
  Checker checker_;
  Sha256 log_;
  WorldReport report_;

  SchedulerOptions options_;
  std::unique_ptr<MemoryStore> disk_ = std::make_unique<MemoryStore>();
  Term term_;                     // of the coordinator that booted last
  std::unique_ptr<State> state_;  // null while the coordinator is down
  int boots_ = 0;
  std::optional<std::string>
      committed_;  // the durable state at the last crash, where its commit was known to have happened

  std::vector<SimWorker> workers_;
  std::vector<SimRun> runs_;
  std::optional<SimSweep> sweep_;
  std::set<Digest> objects_;    // made by tasks and still there
  std::set<Digest> discarded_;  // deleted and not made again since
};

}  // namespace lwq::coordinator::simulation
