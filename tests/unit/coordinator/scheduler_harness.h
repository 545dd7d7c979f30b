// SPDX-License-Identifier: Apache-2.0
// A scheduler under test: small specs, a clock that moves when told, a store that outlives restarts, and workers that
// answer in one line. Every step's changes are committed, as the loop does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/scheduler/foresee/preview.h"
#include "coordinator/scheduler/step/step.h"
#include "coordinator/scheduler/step/submission.h"
#include "coordinator/store/memory_store.h"

namespace lwq::coordinator::testing {

// config.json of a Llama with `blocks` blocks: hidden 64, intermediate 128, 4 heads, 2 key/value heads.
std::string TinyConfigJson(int blocks);
LlamaConfig TinyConfig(int blocks);

// An artifact that exists only by name.
ArtifactRef NamedArtifact(std::string_view name);

RunSpec NoopSpec(int64_t tasks, int64_t seed = 1);
// Small windows, one eval text, gptq_v2 export.
RunSpec BlockApSpec(int blocks);
// No evaluation: needs no numerics class.
RunSpec RtnSpec(int blocks);

WorkerRecord WorkerNamed(const std::string& name, const std::string& numerics_class = "cpu|avx512|torch");

SchedulerOptions ActivationBudget(int64_t activation_bytes);

// What an honest worker reports for the lease: outputs named by the action, so that equal actions give equal bytes.
ReportSuccess HonestSuccess(const Lease& lease);

// Looks at a state that nothing changes meanwhile.
class DirectReader : public StateReader {
 public:
  explicit DirectReader(const State& state) : state_(state) {}
  Status Look(absl::FunctionRef<void(const State& state)> look) override {
    look(state_);
    return absl::OkStatus();
  }

 private:
  const State& state_;
};

class SchedulerHarness {
 public:
  explicit SchedulerHarness(SchedulerOptions options = {});

  const State& state() const { return *state_; }
  const SchedulerOptions& options() const { return options_; }
  MemoryStore& store() { return *store_; }
  Term term() const { return term_; }  // of the coordinator that runs now
  Instant now() const { return now_; }

  Effects Do(const Event& event);
  // Moves the clock and ticks at every deadline on the way.
  void Advance(int64_t ms);
  // The process dies and starts again from the store, and its workers send heartbeats; the clock goes on.
  void Restart();
  // As Restart, but nothing is heard of the workers.
  void RestartWithoutWorkers();

  // As the service prepares it, with the state as it is now.
  SubmitRun Prepared(const RunSpec& spec, const std::string& request_id = "") const;
  // CHECK that it works. Prepared at once.
  RunId Submit(const RunSpec& spec, const std::string& request_id = "");
  WorkerId Register(const WorkerRecord& worker);
  WorkerId Register(const std::string& name) { return Register(WorkerNamed(name)); }
  std::optional<Lease> LeaseTo(const WorkerId& worker);
  std::vector<LostLease> Beat(const WorkerId& worker, const std::vector<Lease>& leases = {});
  // A heartbeat that says what was deleted; what the worker is to delete next.
  std::vector<ArtifactRef> Discard(const WorkerId& worker, const std::vector<ArtifactRef>& deleted = {});
  // The worker deletes until nothing is left to delete; everything it deleted.
  std::vector<ArtifactRef> DiscardAll(const WorkerId& worker);

  Status Succeed(const WorkerId& worker, const Lease& lease);
  Status Fail(const WorkerId& worker, const Lease& lease, FailureCause cause, const std::string& message = "reason",
              const std::string& input = "");
  Status Release(const WorkerId& worker, const Lease& lease);

  // Leases and succeeds until nothing is ready; the titles in the order of execution.
  std::vector<std::string> RunToEnd(const WorkerId& worker);
  // Leases and succeeds until `title` is leased; CHECKs that it comes.
  Lease RunUntil(const WorkerId& worker, const std::string& title);

  const RunEntry& run(const RunId& id) const { return state_->runs.at(id); }
  const TaskRecord& task(const Digest& key) const { return state_->tasks.at(key).record; }
  const TaskRecord& TaskTitled(const RunId& id, std::string_view title) const;
  StatusOr<RunPreview> Preview(const RunSpec& spec) const;
  // Of the run's recorded tasks (makespan.h).
  StatusOr<double> SecondsWithWorkers(const RunId& id, int workers) const;

 private:
  SchedulerOptions options_;
  Instant now_{.steady_ms = 1'000'000, .unix_ms = 1'700'000'000'000};
  std::unique_ptr<MemoryStore> store_ = std::make_unique<MemoryStore>();
  Term term_;
  std::unique_ptr<State> state_;
};

// Every index of the state says what the records say; "" or the first difference.
std::string CheckIndexes(const State& state);

// The store has a row for what the state knows, and for nothing else; "" or the first difference.
std::string CheckStored(const State& state, const Records& records);

// Nothing is left of any run: "" or what is. Workers may be there.
std::string CheckEmpty(const State& state);

// One line per record, for comparing states: durable parts only.
std::string DescribeDurable(const State& state);

}  // namespace lwq::coordinator::testing
