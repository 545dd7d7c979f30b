// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/halved_preview.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

namespace lwq::coordinator {

HalvedTotal::HalvedTotal(const HalvingRule& rule) : rule_(rule) {
  int64_t runs = rule.runs;
  for (const int64_t blocks : RungBlocks(rule)) {
    rungs_.push_back({blocks, runs});
    // Asynchronously each result from the eta-th on promotes one at most. Where none would be promoted, the best is.
    const int64_t promoted = rule.order == HalvingOrder::kSynchronous ? runs / rule.eta : runs - rule.eta + 1;
    runs = std::max<int64_t>(1, promoted);
  }
}

size_t HalvedTotal::RungOf(int64_t needs_blocks) const {
  size_t rung = 0;
  while (rung + 1 < rungs_.size() && rungs_[rung].blocks < needs_blocks) ++rung;
  return rung;
}

void HalvedTotal::Add(const std::vector<PlannedTask>& tasks, const std::optional<std::map<Digest, double>>& seconds,
                      const std::set<Digest>& done) {
  seconds_are_known_ = seconds_are_known_ && seconds.has_value();
  std::vector<std::vector<Digest>>& by_rung = by_run_.emplace_back(rungs_.size());
  for (const PlannedTask& task : tasks) {
    const bool quantizes = task.def.kind == TaskKind::kTrainBlock || task.purpose == TaskPurpose::kCheckpoint;
    const bool is_open = seconds.has_value() && !done.contains(task.key);
    weights_[task.key] = {quantizes ? 1.0 : 0.0, is_open ? seconds->at(task.key) : 0.0};
    const size_t rung = RungOf(task.needs_blocks);
    by_rung[rung].push_back(task.key);
    if (rung == 0) at_first_.insert(task.key);
  }
}

HalvedTotal::Bounds HalvedTotal::BoundsOf(double Weight::*part) const {
  const auto sum = [&](const auto& keys) {
    return std::accumulate(keys.begin(), keys.end(), 0.0,
                           [&](double total, const Digest& key) { return total + weights_.at(key).*part; });
  };
  const double first = sum(at_first_);
  Bounds bounds{.least = first, .most = first, .all = 0};
  for (const auto& [key, weight] : weights_) bounds.all += weight.*part;
  double least_run = std::numeric_limits<double>::infinity();
  std::vector<std::vector<double>> added(rungs_.size());  // by rung, then run
  std::vector<std::set<Digest>> together(rungs_.size());
  for (const auto& by_rung : by_run_) {
    double run = 0;
    for (size_t rung = 1; rung < by_rung.size(); ++rung) {
      std::vector<Digest> own;
      std::copy_if(by_rung[rung].begin(), by_rung[rung].end(), std::back_inserter(own),
                   [&](const Digest& key) { return !at_first_.contains(key); });
      together[rung].insert(own.begin(), own.end());
      added[rung].push_back(sum(own));
      run += added[rung].back();
    }
    least_run = std::min(least_run, run);
  }
  if (!by_run_.empty()) bounds.least += least_run;
  for (size_t rung = 1; rung < rungs_.size(); ++rung) {
    std::vector<double>& runs = added[rung];
    std::sort(runs.begin(), runs.end(), std::greater<>());
    runs.resize(std::min(runs.size(), static_cast<size_t>(rungs_[rung].runs)));
    bounds.most += std::min(sum(together[rung]), std::accumulate(runs.begin(), runs.end(), 0.0));
  }
  bounds.most = std::min(bounds.most, bounds.all);
  return bounds;
}

HalvedPreview HalvedTotal::Finish() const {
  HalvedPreview preview;
  preview.rungs = rungs_;
  const Bounds trainings = BoundsOf(&Weight::trainings);
  preview.trainings = static_cast<int64_t>(trainings.all);
  preview.least_trainings = static_cast<int64_t>(trainings.least);
  preview.most_trainings = static_cast<int64_t>(trainings.most);
  if (!seconds_are_known_) return preview;
  const Bounds seconds = BoundsOf(&Weight::seconds);
  preview.least_device_seconds = seconds.least;
  preview.most_device_seconds = seconds.most;
  return preview;
}

}  // namespace lwq::coordinator
