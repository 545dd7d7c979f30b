// SPDX-License-Identifier: Apache-2.0
// A collection beside workers and clients: whatever they do between any two of its calls of the store, nothing that
// somebody relies on is lost. The cluster is a model: what it knows are the roots, and its tasks put, adopt and report.
#include <algorithm>
#include <deque>

#include "common/artifact/collector.h"
#include "common/artifact/task_result.h"
#include "common/object_store/memory_store.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/testing/fault_store.h"

namespace lwq {
namespace {

using test::StoreCall;

constexpr int64_t kMinuteMs = int64_t{60} * 1000;
constexpr int64_t kGraceMs = 30 * kMinuteMs;

// What tasks make: a few artifacts that share parts, so that much is made again and again.
std::vector<std::string> PartsOf(int artifact) {
  return {absl::StrCat("own ", artifact), absl::StrCat("shared ", artifact / 2), "common"};
}

class ModelCluster {
 public:
  explicit ModelCluster(int64_t seed)
      : seed_(static_cast<uint64_t>(seed)),
        store_(std::make_unique<MemoryStore>(std::numeric_limits<int64_t>::max(), [this] { return now_ms_; }), {}),
        artifacts_(&store_, [this] { return now_ms_; }) {}

  int64_t deleted() const { return deleted_; }

  // Something happens: time passes, a task goes a step further, a run is deleted, an upload is made and submitted.
  void Live() {
    switch (Draw(12)) {
      case 0:
        now_ms_ += static_cast<int64_t>(Draw(120)) * kMinuteMs;
        return;
      case 1:
        if (tasks_.size() < 3) tasks_.push_back({static_cast<int>(Draw(6)), now_ms_, {}});
        return;
      case 2:
        if (!known_.empty()) known_.erase(std::next(known_.begin(), static_cast<ptrdiff_t>(Draw(known_.size()))));
        return;
      case 3:
        // A worker that was given up: nobody waits for what it does.
        if (!tasks_.empty()) tasks_.erase(tasks_.begin() + static_cast<ptrdiff_t>(Draw(tasks_.size())));
        return;
      default:
        if (!tasks_.empty()) Go(tasks_[Draw(tasks_.size())]);
    }
  }

  void CollectUndisturbed() {
    CollectionReport report;
    RC_ASSERT(Collector(
                  &store_, [this] { return Roots(); }, {.grace_ms = kGraceMs}, nullptr)
                  .Run(report)
                  .ok());
  }
  void Collect() {
    CollectionReport report;
    store_.SetHook([this](StoreCall call, std::string_view) {
      // Between the last look at an object and its deletion nothing is promised.
      if (call != StoreCall::kDelete) Meanwhile();
      return absl::OkStatus();
    });
    Collector collector(
        &store_,
        [this]() -> StatusOr<CollectionRoots> {
          Meanwhile();
          return Roots();
        },
        {.grace_ms = kGraceMs}, nullptr);
    RC_ASSERT(collector.Run(report).ok());
    store_.SetHook(nullptr);
    deleted_ += report.deleted.objects;
  }

  // Up to two things happen, unless one is just happening.
  void Meanwhile() {
    if (inside_) return;
    inside_ = true;
    for (uint64_t i = Draw(3); i > 0; --i) Live();
    inside_ = false;
  }

  // All work ends and all runs are deleted; a day later.
  void End() {
    tasks_.clear();
    known_.clear();
    now_ms_ += 24 * 60 * kMinuteMs;
  }
  bool IsEmpty() { return store_.List("", "", 1)->objects.empty(); }

  // Every artifact that the cluster knows is whole.
  void Check() {
    for (const auto& [number, artifact] : known_) RC_ASSERT(artifacts_.IsComplete(artifact).value());
  }

 private:
  struct Task {
    int artifact = 0;
    int64_t began_ms = 0;
    std::vector<Part> parts;  // put so far
  };

  uint64_t Draw(uint64_t below) {
    seed_ = seed_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (seed_ >> 33) % below;
  }

  // A worker's next call: it adopts a published result where one is whole, else puts part after part and publishes.
  void Go(Task& task) {
    const Digest action = DigestOf(absl::StrCat("action ", task.artifact));
    if (task.parts.empty()) {
      const StatusOr<TaskResult> found = ReadTaskResult(store_, action);
      if (found.ok() && artifacts_.KeepAlive(found->outputs.at("out")).value())
        return Report(task, found->outputs.at("out"));
    }
    const std::vector<std::string> texts = PartsOf(task.artifact);
    if (task.parts.size() < texts.size()) {
      const BlobRef blob = artifacts_.PutBlob(texts[task.parts.size()]).value();
      task.parts.push_back({absl::StrCat(task.parts.size()), blob});
      return;
    }
    const ArtifactRef made = artifacts_.Publish({.kind = "block", .meta = Json::object(), .parts = task.parts}).value();
    RC_ASSERT(PublishTaskResult(store_, action, {.outputs = {{"out", made}}}).ok());
    Report(task, made);
  }
  void Report(Task& task, const ArtifactRef& artifact) {
    known_[task.artifact] = artifact;
    tasks_.erase(tasks_.begin() + (&task - tasks_.data()));
  }

  CollectionRoots Roots() const {
    CollectionRoots roots{.artifacts = {}, .results = {}, .now_unix_ms = now_ms_, .working_since_unix_ms = now_ms_};
    for (const auto& [number, artifact] : known_) {
      roots.artifacts.push_back(artifact);
      roots.results.push_back(DigestOf(absl::StrCat("action ", number)));
    }
    for (const Task& task : tasks_) {
      roots.working_since_unix_ms = std::min(roots.working_since_unix_ms, task.began_ms);
    }
    return roots;
  }

  uint64_t seed_;
  int64_t now_ms_ = 1'700'000'000'000;
  test::FaultStore store_;
  ArtifactStore artifacts_;
  std::map<int, ArtifactRef> known_;  // what the coordinator knows, by artifact
  std::vector<Task> tasks_;           // leases
  bool inside_ = false;
  int64_t deleted_ = 0;
};

RC_GTEST_PROP(CollectorProperty, NothingThatAnybodyReliesOnIsLostWhateverHappensMeanwhile, ()) {
  ModelCluster cluster(*rc::gen::arbitrary<int32_t>());
  for (int round = 0; round < 6; ++round) {
    for (int i = *rc::gen::inRange(0, 60); i > 0; --i) cluster.Live();
    cluster.Collect();
    cluster.Check();
  }
  RC_CLASSIFY(cluster.deleted() > 0, "something was deleted meanwhile");
}

RC_GTEST_PROP(CollectorProperty, OnceNobodyNeedsAnythingNothingIsLeft, ()) {
  ModelCluster cluster(*rc::gen::arbitrary<int32_t>());
  for (int i = *rc::gen::inRange(0, 200); i > 0; --i) cluster.Live();
  cluster.End();
  cluster.CollectUndisturbed();
  RC_ASSERT(cluster.IsEmpty());
}

}  // namespace
}  // namespace lwq
