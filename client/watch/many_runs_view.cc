// SPDX-License-Identifier: Apache-2.0
#include "client/watch/many_runs_view.h"

#include <algorithm>

#include "client/base/clock.h"
#include "client/base/format.h"
#include "client/render/run_text.h"
#include "client/render/watch_frame.h"
#include "client/watch/run_views.h"
#include "common/status/status.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

using lwqat::v1::Run;

int CountInState(const std::vector<Run>& runs, lwqat::v1::RunState state) {
  return static_cast<int>(
      std::count_if(runs.begin(), runs.end(), [state](const Run& run) { return run.state() == state; }));
}

std::string EndText(const Run& run) {
  std::string text =
      absl::StrCat(run.spec().name(), " ", reporting::ShortId(run.id()), ": ", reporting::RunStateName(run.state()));
  if (!run.error().empty()) absl::StrAppend(&text, ": ", OneLine(run.error()));
  if (const std::string stopped = reporting::StoppedText(run); !stopped.empty()) absl::StrAppend(&text, " ", stopped);
  return text;
}

}  // namespace

std::string ManyRunsText(const std::vector<Run>& runs) {
  const auto ended = std::count_if(runs.begin(), runs.end(), [](const Run& run) { return reporting::HasEnded(run); });
  std::string text = absl::StrCat(ended, " of ", runs.size(), " runs ended");
  const auto add = [&](lwqat::v1::RunState state, std::string_view separator) {
    const int count = CountInState(runs, state);
    if (count > 0) absl::StrAppend(&text, separator, count, " ", reporting::RunStateName(state));
  };
  add(lwqat::v1::RUN_STATE_FAILED, ", ");
  add(lwqat::v1::RUN_STATE_CANCELLED, ", ");
  add(lwqat::v1::RUN_STATE_STOPPED, ", ");
  add(lwqat::v1::RUN_STATE_RUNNING, "; ");
  add(lwqat::v1::RUN_STATE_PENDING, "; ");
  int64_t tasks = 0;
  int64_t done = 0;
  for (const Run& run : runs) {
    tasks += run.tasks_total();
    done += run.tasks_done();
  }
  if (tasks > 0) absl::StrAppend(&text, "; ", done, " of ", tasks, " tasks");
  return text;
}

void ManyRunsView::Print(const std::string& line) {
  lines_ == Lines::kOut ? console_->Out(line) : console_->Err(line);
}

void ManyRunsView::OnChange(const std::vector<Run>& runs, size_t changed) {
  if (reporting::HasEnded(runs[changed]) && ended_.insert(changed).second) {
    Print(absl::StrCat("[", ended_.size(), "/", runs.size(), "] ", EndText(runs[changed])));
  }
  if (lines_ == Lines::kLive) Draw(runs);
}

void ManyRunsView::OnTick(const std::vector<Run>& runs) {
  const bool all_wait = CountInState(runs, lwqat::v1::RUN_STATE_PENDING) == static_cast<int>(runs.size());
  if (all_wait && !waits_) {
    waits_ = true;
    Print(WaitsForWorkerText());
  }
  if (lines_ == Lines::kLive) Draw(runs);
}

void ManyRunsView::OnConnection(bool connected) {
  console_->Err(ConnectionNote(connected));
}

void ManyRunsView::OnEnd(const std::vector<Run>& runs) {
  console_->ClearLive();
  Print(ManyRunsText(runs));
}

void ManyRunsView::Draw(const std::vector<Run>& runs) {
  FrameOptions options;
  options.columns = console_->options().columns - 1;
  options.rows = 4;
  options.utf8 = console_->options().utf8;
  options.now_unix_s = NowUnixSeconds();
  std::vector<std::string> lines = {CutToWidth(ManyRunsText(runs), options.columns)};
  const auto room = static_cast<size_t>(std::max(4, console_->options().rows - 2));
  for (const Run& run : runs) {
    if (lines.size() >= room) break;
    if (run.state() == lwqat::v1::RUN_STATE_RUNNING) lines.push_back(RenderRunFrame(run, options).front());
  }
  console_->SetLive(lines);
}

}  // namespace lwq::client
