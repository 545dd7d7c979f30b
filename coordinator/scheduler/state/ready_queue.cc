// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/ready_queue.h"

#include <algorithm>

#include "common/task/numerics_class.h"

namespace lwq::coordinator {

Demand DemandOf(const TaskRecord& task) {
  return {task.def->numerics_class, task.def->kind, task.memory_bytes};
}

bool ExecutesKind(const WorkerRecord& worker, TaskKind kind) {
  return worker.kinds.empty() || std::find(worker.kinds.begin(), worker.kinds.end(), kind) != worker.kinds.end();
}

bool Fits(const Demand& demand, const WorkerRecord& worker) {
  return ExecutesKind(worker, demand.kind) && demand.memory_bytes <= worker.memory_bytes &&
         NumericsClassFits(demand.numerics_class, worker.numerics_class) &&
         PartsOf(demand.numerics_class).threads <= worker.max_threads;
}

void ReadyQueue::Insert(const Demand& demand, const Urgency& urgency, const Digest& task) {
  buckets_[demand].insert({urgency, task});
}

void ReadyQueue::Erase(const Demand& demand, const Urgency& urgency, const Digest& task) {
  const auto bucket = buckets_.find(demand);
  if (bucket == buckets_.end()) return;
  bucket->second.erase({urgency, task});
  if (bucket->second.empty()) buckets_.erase(bucket);
}

const ReadyQueue::Entry* ReadyQueue::Head(const std::set<Entry>& entries, const Skip& skip) {
  for (const Entry& entry : entries) {
    if (!skip(entry.task)) return &entry;
  }
  return nullptr;
}

std::optional<Digest> ReadyQueue::Best(const WorkerRecord& worker, const Skip& skip) const {
  const Entry* best = nullptr;
  for (const auto& [demand, entries] : buckets_) {
    if (!Fits(demand, worker)) continue;
    const Entry* head = Head(entries, skip);
    if (head != nullptr && (best == nullptr || *head < *best)) best = head;
  }
  if (best == nullptr) return std::nullopt;
  return best->task;
}

bool ReadyQueue::AsUrgent(const Urgency& a, const Urgency& b) {
  return a.negated_priority == b.negated_priority && a.run_sequence == b.run_sequence &&
         a.negated_depth == b.negated_depth;
}

std::vector<Digest> ReadyQueue::EquallyUrgent(const WorkerRecord& worker, size_t most, const Skip& skip) const {
  std::vector<const std::set<Entry>*> buckets;  // whose heads are as urgent as the best
  const Entry* best = nullptr;
  for (const auto& [demand, entries] : buckets_) {
    if (!Fits(demand, worker)) continue;
    const Entry* head = Head(entries, skip);
    if (head == nullptr) continue;
    const bool as_urgent = best != nullptr && AsUrgent(head->urgency, best->urgency);
    if (best != nullptr && !as_urgent && *best < *head) continue;
    if (!as_urgent) buckets.clear();
    buckets.push_back(&entries);
    if (best == nullptr || *head < *best) best = head;
  }
  std::vector<Entry> found;
  for (const std::set<Entry>* entries : buckets) {
    size_t taken = 0;
    for (const Entry& entry : *entries) {
      if (skip(entry.task)) continue;
      if (taken == most || !AsUrgent(entry.urgency, best->urgency)) break;
      found.push_back(entry);
      ++taken;
    }
  }
  std::sort(found.begin(), found.end());
  if (found.size() > most) found.resize(most);
  std::vector<Digest> tasks;
  tasks.reserve(found.size());
  for (const Entry& entry : found) tasks.push_back(entry.task);
  return tasks;
}

}  // namespace lwq::coordinator
