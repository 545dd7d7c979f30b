// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/task_phases.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "common/status/status.h"

namespace lwq::worker {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kTellEvery = 30 * kSecond;
constexpr int64_t kTellPart = 50;  // of what the task has taken: a day's training has a few hundred lines
constexpr int64_t kTellWorth = kSecond;

std::string LossText(double loss) {
  if (std::isnan(loss)) return "";
  char text[32];
  std::snprintf(text, sizeof(text), ", loss %.6g", loss);
  return text;
}

std::string StepText(int64_t step, int64_t steps) {
  return steps > 0 ? absl::StrCat("step ", step, " of ", steps) : absl::StrCat("step ", step);
}

}  // namespace

std::optional<std::string> TaskPhases::OnProgress(const qat::Progress& progress, int64_t now_unix_ns) {
  std::optional<std::string> told;
  if (open_.has_value() && (open_->name != progress.stage || progress.step < open_->step)) told = Close();
  if (first_unix_ns_ == 0) first_unix_ns_ = last_unix_ns_ = now_unix_ns;
  if (!open_.has_value()) {
    open_ = Phase{.name = progress.stage, .begin_unix_ns = last_unix_ns_};
    told_unix_ns_ = now_unix_ns;
  }
  open_->end_unix_ns = last_unix_ns_ = std::max(last_unix_ns_, now_unix_ns);
  open_->step = progress.step;
  open_->steps = progress.steps;
  open_->loss = progress.loss;
  const int64_t tell_every = std::max(kTellEvery, (now_unix_ns - first_unix_ns_) / kTellPart);
  if (told.has_value() || now_unix_ns - told_unix_ns_ < tell_every) return told;
  told_unix_ns_ = now_unix_ns;
  return absl::StrCat(progress.stage, ": ", StepText(progress.step, progress.steps), LossText(progress.loss));
}

std::optional<std::string> TaskPhases::End() {
  return open_.has_value() ? Close() : std::nullopt;
}

std::optional<std::string> TaskPhases::Close() {
  Phase phase = *std::exchange(open_, std::nullopt);
  const int64_t took = phase.end_unix_ns - phase.begin_unix_ns;
  std::optional<std::string> told;
  if (took >= kTellWorth) {
    char seconds[32];
    std::snprintf(seconds, sizeof(seconds), "%.2f s", static_cast<double>(took) / kSecond);
    told =
        absl::StrCat(phase.name, " took ", seconds, ", to ", StepText(phase.step, phase.steps), LossText(phase.loss));
  }
  if (phases_.size() < kMaxPhases) {
    phases_.push_back(std::move(phase));
  } else {
    ++left_out_;
  }
  return told;
}

}  // namespace lwq::worker
