#include "coordinator/scheduler/ready_queue.h"

#include <algorithm>

#include "common/task/numerics_class.h"

namespace lwq::coordinator {

Demand DemandOf(const TaskRecord& task) {
  return {task.def->numerics_class, task.def->kind, task.memory_bytes};
}

bool Fits(const Demand& demand, const WorkerRecord& worker) {
  const bool executes_kind =
      worker.kinds.empty() || std::find(worker.kinds.begin(), worker.kinds.end(), demand.kind) != worker.kinds.end();
  return executes_kind && demand.memory_bytes <= worker.memory_bytes &&
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

std::optional<Digest> ReadyQueue::Best(const WorkerRecord& worker) const {
  const Entry* best = nullptr;
  for (const auto& [demand, entries] : buckets_) {
    if (!Fits(demand, worker)) continue;
    const Entry& head = *entries.begin();
    if (best == nullptr || head < *best) best = &head;
  }
  if (best == nullptr) return std::nullopt;
  return best->task;
}

}  // namespace lwq::coordinator
