// SPDX-License-Identifier: Apache-2.0
// How fair a fleet is: the device time of every project in every window of an hour. For tests and lwq_bench_scheduler.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/coordinator/devices.h"
#include "tests/unit/coordinator/virtual_fleet.h"

namespace lwq::coordinator::testing {

struct Fairness {
  int windows = 0;  // of an hour, each a minute later than the one before, in which all had work waiting on all classes
  double largest_error = 0;  // of a project's share in any of them, as a part of its share
};

// Workers of three classes, and runs whose blocks are trained independently, so that there is more to do than workers,
// of four projects of weights 1, 2, 4 and 4, each of which has about as much to do on every class as its weight says.
class FairFleet {
 public:
  static constexpr int kProjects = 4;
  static constexpr double kWeights[kProjects] = {1, 2, 4, 4};

  FairFleet(int workers, int runs, int blocks, double train_seconds)
      : fleet_(Options(), [train_seconds](const TaskDef& def, const WorkerRecord& worker) {
          const double slower = worker.numerics_class == kL4.base ? 2.5 : worker.numerics_class == kCpu.base ? 4 : 1;
          return (def.kind == TaskKind::kTrainBlock ? train_seconds : train_seconds / 300) * slower;
        }) {
    const Device devices[] = {kA10040, kL4, kCpu};
    for (int i = 0; i < workers; ++i) fleet_.Add(WorkerOn(devices[i % 3], absl::StrCat("w", i)));
    for (int run = 0; run < runs; ++run) {
      RunSpec spec = BlockApSpec(blocks);
      spec.model->files = NamedArtifact(absl::StrCat("model ", run));
      spec.recipe.handoff = "independent";
      constexpr int kTurns[] = {0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
      spec.project = Name(kTurns[run % 11]);
      spec.numerics_class = devices[run / 11 % 3].base;
      project_of_[fleet_.Submit(spec)] = spec.project;
    }
    for (const auto& [id, run] : fleet_.state().runs) {
      for (const RunTaskRecord& task : run.tasks) task_project_[task.key] = project_of_.at(id);
    }
    fleet_.Watch([this](const WorkerRecord&, const Lease& lease, double from, double to) {
      Add(task_project_.at(lease.task), from, to);
    });
  }

  // Simulates until `hours` are over.
  Fairness Measure(int hours) {
    const int minutes = hours * 60;
    std::vector<bool> contended;  // by minute: all have work waiting on all classes at its end
    for (int minute = 0; minute < minutes; ++minute) {
      fleet_.RunToEnd(60.0 * (minute + 1));
      contended.push_back(AllWait());
    }
    fleet_.RunToEnd();  // what was begun is counted when it ends
    Fairness fairness;
    for (int first = 1; first + 60 <= minutes; ++first) {
      const auto at = contended.begin() + first;
      if (!std::all_of(at, at + 60, [](bool all) { return all; })) continue;
      ++fairness.windows;
      double used[kProjects] = {}, all = 0;
      for (int project = 0; project < kProjects; ++project) {
        const std::vector<double>& by_minute = seconds_[Name(project)];
        for (int minute = first; minute < first + 60; ++minute) used[project] += by_minute[static_cast<size_t>(minute)];
        all += used[project];
      }
      for (int project = 0; project < kProjects; ++project) {
        const double share = kWeights[project] / (kWeights[0] + kWeights[1] + kWeights[2] + kWeights[3]);
        fairness.largest_error = std::max(fairness.largest_error, std::abs(used[project] / all - share) / share);
      }
    }
    return fairness;
  }
  const VirtualFleet& fleet() const { return fleet_; }

 private:
  static std::string Name(int project) { return absl::StrCat("project ", project); }
  bool AllWait() const {
    std::set<std::pair<std::string, std::string>> waiting;  // class and project
    for (const auto& [key, task] : fleet_.state().tasks) {
      if (task.queued && !task.place.demand.base.empty()) waiting.emplace(task.place.demand.base, task.place.project);
    }
    return waiting.size() == 3 * kProjects;
  }
  static SchedulerOptions Options() {
    SchedulerOptions options;
    for (int project = 0; project < kProjects; ++project) options.projects[Name(project)].weight = kWeights[project];
    return options;
  }
  void Add(const std::string& project, double from, double to) {
    std::vector<double>& by_minute = seconds_[project];
    const auto last = static_cast<size_t>(to / 60);
    if (by_minute.size() <= last) by_minute.resize(last + 1);
    for (auto minute = static_cast<size_t>(from / 60); minute <= last; ++minute) {
      const double begin = 60.0 * static_cast<double>(minute);
      by_minute[minute] += std::max(0.0, std::min(to, begin + 60) - std::max(from, begin));
    }
  }

  std::map<RunId, std::string> project_of_;
  std::map<Digest, std::string> task_project_;
  std::map<std::string, std::vector<double>> seconds_;  // of devices, by minute
  VirtualFleet fleet_;
};

}  // namespace lwq::coordinator::testing
