// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/task_monitor.h"

#include <utility>

#include "common/status/status.h"
#include "common/text/one_line.h"

namespace lwq::worker {
namespace {

constexpr size_t kMaxStageBytes = 256;
constexpr size_t kMaxLogLineBytes = 2000;

}  // namespace

void TaskMonitor::Begin(const std::string& task_key, uint64_t token, LogFields fields, std::string traceparent) {
  const MutexLock lock(&mutex_);
  active_ = true;
  current_ = Snapshot{task_key, token, std::move(fields), std::move(traceparent), {}, {}, {}};
  lines_.clear();
  first_line_ = 0;
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

void TaskMonitor::SetCheckpoint(const Checkpoint& checkpoint) {
  const MutexLock lock(&mutex_);
  current_.checkpoint = checkpoint;
}

void TaskMonitor::OnLine(std::string_view level, std::string_view message) {
  std::string line = level == "info" ? OneLine(message, kMaxLogLineBytes)
                                     : OneLine(absl::StrCat(level, ": ", message), kMaxLogLineBytes);
  const MutexLock lock(&mutex_);
  if (lines_.size() >= kMaxLogLines) {
    lines_.pop_front();
    ++first_line_;
  }
  lines_.push_back(std::move(line));
}

TaskMonitor::Lines TaskMonitor::LinesLocked() const {
  return {first_line_, std::vector<std::string>(lines_.begin(), lines_.end())};
}

std::optional<TaskMonitor::Snapshot> TaskMonitor::Look() const {
  const MutexLock lock(&mutex_);
  if (!active_) return std::nullopt;
  Snapshot snapshot = current_;
  snapshot.log = LinesLocked();
  return snapshot;
}

void TaskMonitor::Delivered(const std::string& task_key, uint64_t token, int64_t end) {
  const MutexLock lock(&mutex_);
  if (current_.task_key != task_key || current_.token != token) return;
  for (; first_line_ < end && !lines_.empty(); ++first_line_) lines_.pop_front();
}

TaskMonitor::Lines TaskMonitor::LinesLeft() const {
  const MutexLock lock(&mutex_);
  return LinesLocked();
}

std::optional<TaskMonitor::Checkpoint> TaskMonitor::LastCheckpoint() const {
  const MutexLock lock(&mutex_);
  return current_.checkpoint;
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
