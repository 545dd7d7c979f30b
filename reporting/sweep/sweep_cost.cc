// SPDX-License-Identifier: Apache-2.0
#include "reporting/sweep/sweep_cost.h"

#include <algorithm>
#include <map>
#include <set>

#include "reporting/run_facts.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Task;

struct TaskCost {
  double seconds = 0;
  bool executed = false;  // some run did not find it done
  std::string worker;
  std::set<size_t> arms;
};

// A task that has no key yet is nobody else's.
std::string KeyOf(const Task& task, size_t run, int position) {
  return task.key().empty() ? absl::StrCat("run ", run, " task ", position) : task.key();
}

void AddTasksOfRun(const lwqat::v1::Run& run, size_t position, size_t arm, std::map<std::string, TaskCost>* tasks,
                   SweepCost* cost) {
  for (int i = 0; i < run.tasks_size(); ++i) {
    const Task& task = run.tasks(i);
    TaskCost& entry = (*tasks)[KeyOf(task, position, i)];
    const double seconds = std::max(0.0, task.seconds());
    ++cost->runs_tasks;
    cost->apart_seconds += seconds;
    entry.seconds = std::max(entry.seconds, seconds);
    entry.arms.insert(arm);
    if (task.from_cache()) continue;
    entry.executed = true;
    if (entry.worker.empty()) entry.worker = task.worker();
  }
}

// Adds the run's part of the arm's mean.
void AddMaking(const lwqat::v1::Run& run, size_t runs_of_arm, ArmCost* cost) {
  for (const Task& task : run.tasks()) {
    if (IsEvaluationTask(task)) continue;
    cost->making_seconds += std::max(0.0, task.seconds()) / static_cast<double>(runs_of_arm);
    cost->making_peak_bytes = std::max(cost->making_peak_bytes, task.peak_memory_bytes());
  }
}

}  // namespace

SweepCost CostOf(const SweepRuns& sweep, const std::vector<Arm>& arms) {
  SweepCost cost;
  std::map<std::string, TaskCost> tasks;
  for (size_t arm = 0; arm < arms.size(); ++arm) {
    for (const size_t run : arms[arm].runs) AddTasksOfRun(sweep.runs[run].run, run, arm, &tasks, &cost);
  }
  cost.arms.resize(arms.size());
  cost.tasks = static_cast<int64_t>(tasks.size());
  std::map<std::string, WorkerCost> workers;
  for (const auto& [key, task] : tasks) {
    cost.total_seconds += task.seconds;
    if (!task.executed) {
      ++cost.reused_tasks;
      cost.reused_seconds += task.seconds;
    } else if (!task.worker.empty()) {
      WorkerCost& worker = workers[task.worker];
      ++worker.tasks;
      worker.seconds += task.seconds;
    }
    const bool shared = task.arms.size() > 1;
    for (const size_t arm : task.arms) {
      ArmCost& of_arm = cost.arms[arm];
      ++of_arm.tasks;
      of_arm.shared_tasks += shared ? 1 : 0;
      (shared ? of_arm.shared_seconds : of_arm.own_seconds) += task.seconds;
      of_arm.fair_seconds += task.seconds / static_cast<double>(task.arms.size());
    }
  }
  for (size_t arm = 0; arm < arms.size(); ++arm) {
    for (const size_t run : arms[arm].runs) AddMaking(sweep.runs[run].run, arms[arm].runs.size(), &cost.arms[arm]);
  }
  for (auto& [name, worker] : workers) {
    worker.worker = name;
    cost.workers.push_back(worker);
  }
  return cost;
}

}  // namespace lwq::reporting
