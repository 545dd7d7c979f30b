// SPDX-License-Identifier: Apache-2.0
// Properties of garbage collection over random runs, workers, cancellations and restarts, on a model of the object
// store in which a deleted artifact is really gone.
#include <algorithm>
#include <deque>

#include "coordinator/scheduler/state/garbage.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

RunSpec RandomRun() {
  RunSpec spec = testing::BlockApSpec(*rc::gen::inRange(1, 4));
  spec.recipe.handoff = *rc::gen::element<std::string>("sequential", "independent", "relay");
  spec.recipe.epochs = *rc::gen::inRange(1, 4);
  spec.recipe.wbits = *rc::gen::element(2, 3);
  spec.recipe.prepare = *rc::gen::element<std::string>("none", "awq");
  spec.recipe.init = *rc::gen::element<std::string>("minmax", "gptq", "signround");
  return spec;
}

// A cluster whose workers delete at once what they are told to, and answer at their next heartbeat.
class DeletingCluster {
 public:
  explicit DeletingCluster(int64_t activation_bytes) : harness_(testing::ActivationBudget(activation_bytes)) {
    for (const char* name : {"a", "b"}) workers_.push_back({harness_.Register(name), std::nullopt, {}});
  }

  testing::SchedulerHarness& harness() { return harness_; }

  // One random thing happens; false when no worker found anything to do.
  bool Work(size_t index) {
    Worker& worker = workers_[index];
    if (!worker.lease.has_value()) {
      worker.lease = harness_.LeaseTo(worker.id);
      if (!worker.lease.has_value()) return false;
      RC_ASSERT(worker.lease->inputs.size() == worker.lease->def->inputs.size());
    }
    const Lease lease = *std::exchange(worker.lease, std::nullopt);
    const auto task = harness_.state().tasks.find(lease.task);
    const bool current = task != harness_.state().tasks.end() && task->second.record.state == TaskState::kLeased &&
                         task->second.record.token == lease.token;
    for (const auto& [role, input] : lease.inputs) {
      const bool uploaded = std::holds_alternative<ArtifactRef>(lease.def->inputs.at(role));
      RC_ASSERT(!current || uploaded || objects_.contains(input.digest));
    }
    for (const auto& [role, output] : testing::HonestSuccess(lease).outputs) {
      if (current) objects_.insert(output.digest);
    }
    RC_ASSERT(harness_.Succeed(worker.id, lease).ok() == current);
    return true;
  }
  void TakeLease(size_t index) {
    Worker& worker = workers_[index];
    if (!worker.lease.has_value()) worker.lease = harness_.LeaseTo(worker.id);
  }
  void Beat(size_t index) {
    Worker& worker = workers_[index];
    worker.deleted = harness_.Discard(worker.id, worker.deleted);
    for (const ArtifactRef& artifact : worker.deleted) objects_.erase(artifact.digest);
  }
  void Finish() {
    while (Work(0) || Work(1)) Beat(0);
    do {
      Beat(0);
      Beat(1);
    } while (!workers_[0].deleted.empty() || !workers_[1].deleted.empty());
  }

 private:
  struct Worker {
    WorkerId id;
    std::optional<Lease> lease;
    std::vector<ArtifactRef> deleted;  // since its last heartbeat
  };
  testing::SchedulerHarness harness_;
  std::vector<Worker> workers_;
  std::set<Digest> objects_;  // what tasks have put into the object store
};

int64_t NeededBytes(const State& state) {
  int64_t bytes = 0;
  for (const auto& [digest, activation] : state.activations.all()) {
    if (activation.readers > 0) bytes += activation.size_bytes;
  }
  return bytes;
}

RC_GTEST_PROP(GarbageProperty, NothingThatALiveTaskReadsIsEverDiscardedAndEveryRunEndsAsItShould, ()) {
  const int64_t budget = *rc::gen::element<int64_t>(0, 100, 400, 1 << 20);
  DeletingCluster cluster(budget);
  testing::SchedulerHarness& harness = cluster.harness();
  std::vector<RunId> runs = {harness.Submit(RandomRun())};
  std::set<RunId> cancelled;
  const int steps = *rc::gen::inRange(10, 120);
  for (int i = 0; i < steps; ++i) {
    const auto worker = static_cast<size_t>(*rc::gen::inRange(0, 2));
    const int what = *rc::gen::inRange(0, 100);
    if (what < 50) {
      cluster.Work(worker);
    } else if (what < 60) {
      cluster.TakeLease(worker);
    } else if (what < 90) {
      cluster.Beat(worker);
    } else if (what < 95) {
      runs.push_back(harness.Submit(RandomRun()));
    } else if (what < 97) {
      const RunId run = runs[static_cast<size_t>(*rc::gen::inRange<int>(0, static_cast<int>(runs.size())))];
      cancelled.insert(run);
      RC_ASSERT(harness.Do(CancelRun{run.value}).status.ok());
    } else if (what < 98 && runs.size() > 1) {
      const auto which = *rc::gen::inRange<int>(0, static_cast<int>(runs.size()));
      RC_ASSERT(harness.Do(DeleteRun{runs[static_cast<size_t>(which)].value, true}).status.ok());
      runs.erase(runs.begin() + which);
    } else {
      harness.Restart();
    }
    const std::string wrong = testing::CheckIndexes(harness.state());
    RC_ASSERT(wrong == "");
  }
  cluster.Finish();
  for (const RunId& run : runs) {
    RC_ASSERT(harness.run(run).record.state == RunState::kSucceeded || cancelled.contains(run));
  }
  const ActivationLedger& activations = harness.state().activations;
  RC_ASSERT(activations.stored_bytes() <= std::max(budget, NeededBytes(harness.state())));
  RC_ASSERT(activations.discarded_bytes() == 0);
  for (const RunId& run : runs) RC_ASSERT(harness.Do(DeleteRun{run.value, true}).status.ok());
  cluster.Finish();
  RC_ASSERT(testing::CheckEmpty(harness.state()) == "");
  RC_ASSERT(testing::CheckStored(harness.state(), *harness.store().Load()) == "");
}

RC_GTEST_PROP(GarbageProperty, OnceWorkersHaveDeletedTheStoreHoldsTheBudgetOrWhatIsNeeded, ()) {
  const int64_t budget = *rc::gen::element<int64_t>(0, 100, 400, 1 << 20);
  DeletingCluster cluster(budget);
  testing::SchedulerHarness& harness = cluster.harness();
  harness.Submit(RandomRun());
  harness.Submit(RandomRun());
  do {
    for (int i = 0; i < 4; ++i) {
      cluster.Beat(0);
      cluster.Beat(1);
    }
    RC_ASSERT(harness.state().activations.stored_bytes() <= std::max(budget, NeededBytes(harness.state())));
  } while (cluster.Work(0));
}

}  // namespace
}  // namespace lwq::coordinator
