// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/task_monitor.h"

#include <utility>

#include "common/text/one_line.h"

namespace lwq::worker {
namespace {

constexpr size_t kMaxStageBytes = 256;
constexpr size_t kMaxLogLineBytes = 2000;

}  // namespace

void TaskMonitor::Begin(const std::string& task_key, uint64_t token) {
  const MutexLock lock(&mutex_);
  active_ = true;
  current_ = Snapshot{task_key, token, {}, {}};
  cancel_.cancelled = false;
}

void TaskMonitor::End() {
  const MutexLock lock(&mutex_);
  active_ = false;
}

void TaskMonitor::SetProgress(const qat::Progress& progress) {
  const MutexLock lock(&mutex_);
  current_.progress = progress;
  current_.progress.stage = OneLine(progress.stage, kMaxStageBytes);
}

void TaskMonitor::Log(std::string_view text) {
  std::string line = OneLine(text, kMaxLogLineBytes);
  const MutexLock lock(&mutex_);
  auto& lines = current_.log_lines;
  if (lines.size() >= kMaxLogLines) lines.erase(lines.begin());
  lines.push_back(std::move(line));
}

std::optional<TaskMonitor::Snapshot> TaskMonitor::Take() {
  const MutexLock lock(&mutex_);
  if (!active_) return std::nullopt;
  Snapshot snapshot = current_;
  current_.log_lines.clear();
  return snapshot;
}

std::vector<std::string> TaskMonitor::TakeLog() {
  const MutexLock lock(&mutex_);
  return std::exchange(current_.log_lines, {});
}

void TaskMonitor::CancelLease(const std::string& task_key, uint64_t token) {
  const MutexLock lock(&mutex_);
  if (active_ && current_.task_key == task_key && current_.token == token) cancel_.cancelled = true;
}

void TaskMonitor::CancelCurrent() {
  const MutexLock lock(&mutex_);
  if (active_) cancel_.cancelled = true;
}

}  // namespace lwq::worker
