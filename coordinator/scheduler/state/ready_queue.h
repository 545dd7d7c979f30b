// SPDX-License-Identifier: Apache-2.0
// The tasks that wait for a worker, ordered so that a lease costs the number of different demands, not of tasks.
//
// Tasks of one project that ask the same of a worker (class, kind, memory, threads) share a bucket, ordered within by
// priority, then by the age of the run, then by the length of the path that hangs on the task, then by position. A
// worker gets the best head of the buckets that fit it of the project that goes first (project_shares.h). There are as
// many buckets as there are different demands: a few per run; a worker sees those of its own base and of none.
//
// A demand knows since when nothing of it has been served though it had tasks waiting, which tells what starves.
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
  std::string base;  // of its numerics class; "" = any
  TaskKind kind = TaskKind::kNoop;
  int64_t memory_bytes = 0;
  int threads = 1;
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
  struct Place {
    Demand demand;
    std::string project;
    Urgency urgency;
  };
  void Insert(const Place& place, const Digest& task, int64_t now_ms);
  void Erase(const Place& place, const Digest& task);
  // A task of the demand has been given to a worker.
  void NoteServed(const Demand& demand, int64_t now_ms);

  // Tasks that are to be passed over, one by one, or all of a demand and a project at once.
  using Skip = std::function<bool(const Digest&)>;
  using SkipAll = std::function<bool(const Demand& demand, const std::string& project)>;
  // The smallest goes first; none: the project is passed over.
  using Rank = std::function<std::optional<double>(const std::string& project)>;
  struct Order {
    Rank rank;
    Skip skip;
    SkipAll skip_all = nullptr;  // null: none
  };

  // The most urgent task that fits the worker, of the project that goes first; it stays in the queue.
  std::optional<Digest> Best(const WorkerRecord& worker, const Order& order) const;
  // That task first, then those of its project that fit and are as urgent but for their position, by position; at most
  // `max`.
  std::vector<Digest> EquallyUrgent(const WorkerRecord& worker, size_t max, const Order& order) const;
  // Tasks that fit, of demands of which nothing was served since the moment: of each the one that goes first, with its
  // demand; longest unserved first.
  struct Unserved {
    const Demand* demand = nullptr;
    Digest task;
  };
  std::vector<Unserved> UnservedSince(const WorkerRecord& worker, int64_t since_ms, const Order& order) const;
  // How many tasks of the project go before the one in that place, whatever they ask; counted up to `most`.
  int64_t CountBefore(const Place& place, const Digest& task, int64_t most) const;
  // Calls visit(demand, project, tasks) for all there are, in order: the number of demands and projects, not of tasks.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [base, demands] : bases_) {
      for (const auto& [demand, bucket] : demands) {
        for (const auto& [project, entries] : bucket.projects) visit(demand, project, entries.size());
      }
    }
  }
  // Calls `visit` with the tasks of every demand that `wanted` says yes to, until it says no.
  void VisitDemands(const std::function<bool(const Demand&)>& wanted,
                    const std::function<bool(const Digest&)>& visit) const;
  bool empty() const { return bases_.empty(); }

 private:
  struct Entry {
    Urgency urgency;
    Digest task;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  using Entries = std::set<Entry>;
  using Projects = std::map<std::string, Entries>;
  struct Bucket {
    Projects projects;
    int64_t served_ms = 0;  // when a task of it was given to a worker last, or when it began to wait
  };
  using Demands = std::map<Demand, Bucket>;
  struct Found {
    double rank = 0;
    const std::string* project = nullptr;
    const Entries* entries = nullptr;
    const Entry* head = nullptr;  // the most urgent one that is not passed over
  };
  // Of the demand's tasks, by project, what is not passed over whole.
  static void AddHeads(const Demand& demand, const Projects& projects, const Order& order, std::vector<Found>& heads);
  // Calls `visit` with the demands that fit the worker, and their buckets.
  template <typename Visit>
  void ForEachFitting(const WorkerRecord& worker, Visit visit) const;
  // Of every bucket that fits and is not passed over whole.
  std::vector<Found> Heads(const WorkerRecord& worker, const Order& order) const;
  static bool GoesBefore(const Found& a, const Found& b);
  static bool AsUrgent(const Urgency& a, const Urgency& b);

  std::map<std::string, Demands> bases_;  // nothing in it is empty
};

}  // namespace lwq::coordinator
