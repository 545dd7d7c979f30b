// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/ready_queue.h"

#include <algorithm>
#include <tuple>

#include "common/task/numerics_class.h"

namespace lwq::coordinator {

Demand DemandOf(const TaskRecord& task) {
  const std::string& numerics_class = task.def->numerics_class;
  Demand demand{BaseOf(numerics_class), task.def->kind, task.memory_bytes, PartsOf(numerics_class).threads};
  if (demand.base.empty()) demand.base = numerics_class;  // no class, or none that a worker could have
  return demand;
}

bool ExecutesKind(const WorkerRecord& worker, TaskKind kind) {
  return worker.kinds.empty() || std::find(worker.kinds.begin(), worker.kinds.end(), kind) != worker.kinds.end();
}

bool Fits(const Demand& demand, const WorkerRecord& worker) {
  return (demand.base.empty() || demand.base == worker.numerics_class) && ExecutesKind(worker, demand.kind) &&
         demand.memory_bytes <= worker.memory_bytes && demand.threads <= worker.max_threads;
}

void ReadyQueue::Insert(const Place& place, const Digest& task) {
  bases_[place.demand.base][place.demand][place.project].insert({place.urgency, task});
}

void ReadyQueue::Erase(const Place& place, const Digest& task) {
  const auto base = bases_.find(place.demand.base);
  if (base == bases_.end()) return;
  const auto demand = base->second.find(place.demand);
  if (demand == base->second.end()) return;
  const auto project = demand->second.find(place.project);
  if (project == demand->second.end()) return;
  project->second.erase({place.urgency, task});
  if (!project->second.empty()) return;
  demand->second.erase(project);
  if (!demand->second.empty()) return;
  base->second.erase(demand);
  if (base->second.empty()) bases_.erase(base);
}

std::vector<ReadyQueue::Found> ReadyQueue::Heads(const WorkerRecord& worker, const Order& order) const {
  std::vector<Found> heads;
  const auto look = [&](const Demands& demands) {
    for (const auto& [demand, projects] : demands) {
      if (!Fits(demand, worker)) continue;
      for (const auto& [project, entries] : projects) {
        const std::optional<double> rank = order.rank(project);
        if (!rank.has_value()) continue;
        const auto head =
            std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return !order.skip(entry.task); });
        if (head != entries.end()) heads.push_back({*rank, &project, &entries, &*head});
      }
    }
  };
  for (const std::string& base : {std::string(), worker.numerics_class}) {
    const auto demands = bases_.find(base);
    if (demands != bases_.end()) look(demands->second);
  }
  return heads;
}

bool ReadyQueue::GoesBefore(const Found& a, const Found& b) {
  return std::tie(a.rank, *a.project, *a.head) < std::tie(b.rank, *b.project, *b.head);
}

bool ReadyQueue::AsUrgent(const Urgency& a, const Urgency& b) {
  return a.negated_priority == b.negated_priority && a.run_sequence == b.run_sequence &&
         a.negated_depth == b.negated_depth;
}

std::optional<Digest> ReadyQueue::Best(const WorkerRecord& worker, const Order& order) const {
  const std::vector<Found> heads = Heads(worker, order);
  if (heads.empty()) return std::nullopt;
  return std::min_element(heads.begin(), heads.end(), GoesBefore)->head->task;
}

std::vector<Digest> ReadyQueue::EquallyUrgent(const WorkerRecord& worker, size_t max, const Order& order) const {
  const std::vector<Found> heads = Heads(worker, order);
  if (heads.empty()) return {};
  const Found best = *std::min_element(heads.begin(), heads.end(), GoesBefore);
  std::vector<Entry> found;
  for (const Found& bucket : heads) {
    if (*bucket.project != *best.project || !AsUrgent(bucket.head->urgency, best.head->urgency)) continue;
    size_t taken = 0;
    for (const Entry& entry : *bucket.entries) {
      if (order.skip(entry.task)) continue;
      if (taken == max || !AsUrgent(entry.urgency, best.head->urgency)) break;
      found.push_back(entry);
      ++taken;
    }
  }
  std::sort(found.begin(), found.end());
  if (found.size() > max) found.resize(max);
  std::vector<Digest> tasks;
  tasks.reserve(found.size());
  for (const Entry& entry : found) tasks.push_back(entry.task);
  return tasks;
}

}  // namespace lwq::coordinator
