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

void ReadyQueue::Insert(const Place& place, const Digest& task, int64_t now_ms) {
  const auto [bucket, is_new] = bases_[place.demand.base].try_emplace(place.demand);
  if (is_new) bucket->second.served_ms = now_ms;
  bucket->second.projects[place.project].insert({place.urgency, task});
}

void ReadyQueue::NoteServed(const Demand& demand, int64_t now_ms) {
  const auto base = bases_.find(demand.base);
  if (base == bases_.end()) return;
  const auto bucket = base->second.find(demand);
  if (bucket != base->second.end()) bucket->second.served_ms = now_ms;
}

void ReadyQueue::Erase(const Place& place, const Digest& task) {
  const auto base = bases_.find(place.demand.base);
  if (base == bases_.end()) return;
  const auto demand = base->second.find(place.demand);
  if (demand == base->second.end()) return;
  Projects& projects = demand->second.projects;
  const auto project = projects.find(place.project);
  if (project == projects.end()) return;
  project->second.erase({place.urgency, task});
  if (!project->second.empty()) return;
  projects.erase(project);
  if (!projects.empty()) return;
  base->second.erase(demand);
  if (base->second.empty()) bases_.erase(base);
}

void ReadyQueue::AddHeads(const Demand& demand, const Projects& projects, const Order& order,
                          std::vector<Found>& heads) {
  for (const auto& [project, entries] : projects) {
    const std::optional<double> rank = order.rank(project);
    if (!rank.has_value() || (order.skip_all && order.skip_all(demand, project))) continue;
    const auto head =
        std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return !order.skip(entry.task); });
    if (head != entries.end()) heads.push_back({*rank, &project, &entries, &*head});
  }
}

template <typename Visit>
void ReadyQueue::ForEachFitting(const WorkerRecord& worker, Visit visit) const {
  for (const std::string& base : {std::string(), worker.numerics_class}) {
    const auto demands = bases_.find(base);
    if (demands == bases_.end()) continue;
    for (const auto& [demand, bucket] : demands->second) {
      if (Fits(demand, worker)) visit(demand, bucket);
    }
  }
}

std::vector<ReadyQueue::Found> ReadyQueue::Heads(const WorkerRecord& worker, const Order& order) const {
  std::vector<Found> heads;
  ForEachFitting(worker,
                 [&](const Demand& demand, const Bucket& bucket) { AddHeads(demand, bucket.projects, order, heads); });
  return heads;
}

std::vector<ReadyQueue::Unserved> ReadyQueue::UnservedSince(const WorkerRecord& worker, int64_t since_ms,
                                                            const Order& order) const {
  std::vector<std::pair<int64_t, Unserved>> found;
  ForEachFitting(worker, [&](const Demand& demand, const Bucket& bucket) {
    if (bucket.served_ms > since_ms) return;
    std::vector<Found> heads;
    AddHeads(demand, bucket.projects, order, heads);
    if (heads.empty()) return;
    const Digest& first = std::min_element(heads.begin(), heads.end(), GoesBefore)->head->task;
    found.push_back({bucket.served_ms, {&demand, first}});
  });
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Unserved> unserved;
  for (const auto& [served_ms, one] : found) unserved.push_back(one);
  return unserved;
}

int64_t ReadyQueue::CountBefore(const Place& place, const Digest& task, int64_t most) const {
  int64_t before = 0;
  for (const auto& [base, demands] : bases_) {
    for (const auto& [demand, bucket] : demands) {
      const auto entries = bucket.projects.find(place.project);
      if (entries == bucket.projects.end()) continue;
      for (const Entry& entry : entries->second) {
        if (before == most || !(entry < Entry{place.urgency, task})) break;
        ++before;
      }
    }
  }
  return before;
}

void ReadyQueue::VisitDemands(const std::function<bool(const Demand&)>& wanted,
                              const std::function<bool(const Digest&)>& visit) const {
  for (const auto& [base, demands] : bases_) {
    for (const auto& [demand, bucket] : demands) {
      if (!wanted(demand)) continue;
      for (const auto& [project, entries] : bucket.projects) {
        for (const Entry& entry : entries) {
          if (!visit(entry.task)) return;
        }
      }
    }
  }
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
