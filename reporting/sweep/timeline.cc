// SPDX-License-Identifier: Apache-2.0
#include "reporting/sweep/timeline.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "reporting/run_facts.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Task;

TimelineGroup GroupOf(const Task& task) {
  if (IsSensitivityTask(task)) return TimelineGroup::kSensitivity;
  if (IsBlockTask(task)) return TimelineGroup::kTraining;
  const std::string& kind = task.kind();
  if (kind == "tokenize" || kind == "embed" || kind == "advance") return TimelineGroup::kHandoff;
  return IsEvaluationTask(task) ? TimelineGroup::kEvaluation : TimelineGroup::kOther;
}

struct Executed {
  std::string worker;
  TimelineTask task;  // times are unix seconds still
};

std::vector<Executed> ExecutedTasks(const SweepRuns& sweep) {
  std::vector<Executed> executed;
  std::set<std::string> seen;
  for (const SweepRun& entry : sweep.runs) {
    for (const Task& task : entry.run.tasks()) {
      if (task.from_cache() || task.worker().empty() || !task.has_started_at() || !task.has_finished_at()) continue;
      if (!seen.insert(task.key()).second) continue;
      executed.push_back({task.worker(),
                          {.group = GroupOf(task),
                           .title = task.title(),
                           .run = entry.run.spec().name(),
                           .start = UnixSeconds(task.started_at()),
                           .end = UnixSeconds(task.finished_at())}});
    }
  }
  return executed;
}

}  // namespace

std::string TimelineGroupName(TimelineGroup group) {
  switch (group) {
    case TimelineGroup::kHandoff:
      return "handoff";
    case TimelineGroup::kTraining:
      return "training";
    case TimelineGroup::kSensitivity:
      return "sensitivity";
    case TimelineGroup::kEvaluation:
      return "evaluation";
    case TimelineGroup::kOther:
      return "other";
  }
  return "";
}

Timeline TimelineOf(const SweepRuns& sweep, size_t most_tasks) {
  std::vector<Executed> executed = ExecutedTasks(sweep);
  Timeline timeline;
  if (executed.empty()) return timeline;
  const auto begins = [](const Executed& a, const Executed& b) { return a.task.start < b.task.start; };
  timeline.from_unix_s = std::min_element(executed.begin(), executed.end(), begins)->task.start;
  std::map<std::string, size_t> places;
  for (const Executed& one : executed) places.emplace(one.worker, 0);
  for (auto& [name, place] : places) {
    place = timeline.workers.size();
    timeline.workers.push_back({.name = name});
  }
  for (Executed& one : executed) {
    TimelineTask& task = one.task;
    task.worker = places.at(one.worker);
    task.start -= timeline.from_unix_s;
    task.end = std::max(task.start, task.end - timeline.from_unix_s);
    TimelineWorker& worker = timeline.workers[task.worker];
    worker.first_start = worker.tasks == 0 ? task.start : std::min(worker.first_start, task.start);
    worker.last_end = std::max(worker.last_end, task.end);
    worker.busy_seconds += task.end - task.start;
    ++worker.tasks;
    timeline.tasks.push_back(task);
  }
  const auto in_order = [](const TimelineTask& a, const TimelineTask& b) {
    return std::tie(a.start, a.worker, a.title) < std::tie(b.start, b.worker, b.title);
  };
  std::sort(timeline.tasks.begin(), timeline.tasks.end(), in_order);
  if (timeline.tasks.size() > most_tasks) {
    timeline.left_out = static_cast<int64_t>(timeline.tasks.size() - most_tasks);
    std::stable_sort(timeline.tasks.begin(), timeline.tasks.end(),
                     [](const TimelineTask& a, const TimelineTask& b) { return a.end - a.start > b.end - b.start; });
    timeline.tasks.resize(most_tasks);
    std::sort(timeline.tasks.begin(), timeline.tasks.end(), in_order);
  }
  return timeline;
}

}  // namespace lwq::reporting
