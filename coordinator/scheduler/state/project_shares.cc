// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/project_shares.h"

#include <algorithm>

namespace lwq::coordinator {

ProjectOptions ProjectShares::OptionsOf(const std::string& project) const {
  const auto found = options_.find(project);
  return found == options_.end() ? ProjectOptions() : found->second;
}

void ProjectShares::CatchUp(Use& use) {
  if (use.waiting == 0 && use.running == 0) use.virtual_seconds = std::max(use.virtual_seconds, level_);
}

void ProjectShares::Waits(const std::string& project) {
  Use& use = uses_[project];
  CatchUp(use);
  ++use.waiting;
}

void ProjectShares::WaitsNoMore(const std::string& project) {
  --uses_[project].waiting;
}

void ProjectShares::Begin(const std::string& project, double expected_seconds) {
  Use& use = uses_[project];
  CatchUp(use);
  level_ = std::max(level_, use.virtual_seconds);
  ++use.running;
  use.virtual_seconds += expected_seconds / OptionsOf(project).weight;
}

void ProjectShares::End(const std::string& project, double expected_seconds, double seconds) {
  Use& use = uses_[project];
  --use.running;
  use.device_seconds += seconds;
  use.virtual_seconds += (seconds - expected_seconds) / OptionsOf(project).weight;
}

std::optional<double> ProjectShares::Rank(const std::string& project) const {
  const auto use = uses_.find(project);
  if (use == uses_.end()) return level_;
  const int64_t max_running = OptionsOf(project).max_running;
  if (max_running > 0 && use->second.running >= max_running) return std::nullopt;
  return use->second.virtual_seconds;
}

}  // namespace lwq::coordinator
