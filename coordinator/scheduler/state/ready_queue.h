// SPDX-License-Identifier: Apache-2.0
// The tasks that wait for a worker, ordered so that a lease costs the number of different demands, not of tasks.
//
// Tasks that ask the same of a worker (numerics class, kind, memory) share a bucket, ordered within by priority, then
// by the age of the run, then by the length of the path that hangs on the task, then by position. A worker gets the
// best head of all buckets that fit it. There are as many buckets as there are different demands: a few per run.
//
// Thread-safety: none. Determinism: ties go to the smaller key.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/digest/digest.h"
#include "common/task/task_def.h"
#include "coordinator/scheduler/state/records.h"

namespace lwq::coordinator {

// What a task asks of a worker.
struct Demand {
  std::string numerics_class;
  TaskKind kind = TaskKind::kNoop;
  int64_t memory_bytes = 0;
  friend auto operator<=>(const Demand&, const Demand&) = default;
};
Demand DemandOf(const TaskRecord& task);
bool ExecutesKind(const WorkerRecord& worker, TaskKind kind);
bool Fits(const Demand& demand, const WorkerRecord& worker);

// Smaller goes first.
struct Urgency {
  int64_t negated_priority = 0;
  int64_t run_sequence = 0;
  int64_t negated_depth = 0;
  int64_t position = 0;
  friend auto operator<=>(const Urgency&, const Urgency&) = default;
};

class ReadyQueue {
 public:
  void Insert(const Demand& demand, const Urgency& urgency, const Digest& task);
  void Erase(const Demand& demand, const Urgency& urgency, const Digest& task);
  // Tasks that are to be passed over.
  using Skip = std::function<bool(const Digest&)>;

  // The most urgent task that fits the worker; it stays in the queue.
  std::optional<Digest> Best(const WorkerRecord& worker, const Skip& skip) const;
  // That task first, then those that fit and are as urgent but for their position, by position; at most `most`.
  std::vector<Digest> EquallyUrgent(const WorkerRecord& worker, size_t most, const Skip& skip) const;
  bool empty() const { return buckets_.empty(); }

 private:
  struct Entry {
    Urgency urgency;
    Digest task;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  // The most urgent one that is not passed over, or null.
  static const Entry* Head(const std::set<Entry>& entries, const Skip& skip);
  static bool AsUrgent(const Urgency& a, const Urgency& b);
  std::map<Demand, std::set<Entry>> buckets_;  // no bucket is empty
};

}  // namespace lwq::coordinator
