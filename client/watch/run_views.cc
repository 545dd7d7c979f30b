// SPDX-License-Identifier: Apache-2.0
#include "client/watch/run_views.h"

#include <algorithm>
#include <set>

#include "client/base/clock.h"
#include "client/render/run_text.h"
#include "client/render/watch_frame.h"
#include "client/watch/many_runs_view.h"
#include "common/status/status.h"
#include "reporting/json_text.h"
#include "reporting/layer_results.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

using lwqat::v1::Run;

class TerminalView : public RunView {
 public:
  explicit TerminalView(Console* console) : console_(console) {}
  void OnChange(const std::vector<Run>& runs, size_t /*changed*/) override { Draw(runs); }
  void OnTick(const std::vector<Run>& runs) override { Draw(runs); }
  void OnConnection(bool connected) override { console_->Err(ConnectionNote(connected)); }
  void OnEnd(const std::vector<Run>& runs) override {
    console_->ClearLive();
    for (const std::string& line : Frame(runs)) console_->Err(line);
  }

 private:
  std::vector<std::string> Frame(const std::vector<Run>& runs) const {
    FrameOptions options;
    options.columns = console_->options().columns - 1;
    options.rows = std::max(4, (console_->options().rows - 2) / static_cast<int>(std::max<size_t>(1, runs.size())));
    options.utf8 = console_->options().utf8;
    options.now_unix_s = NowUnixSeconds();
    std::vector<std::string> lines;
    for (const Run& run : runs) {
      if (run.id().empty()) continue;
      for (std::string& line : RenderRunFrame(run, options)) lines.push_back(std::move(line));
    }
    return lines;
  }
  void Draw(const std::vector<Run>& runs) { console_->SetLive(Frame(runs)); }

  Console* console_;
};

class LineView : public RunView {
 public:
  LineView(Console* console, bool to_out) : console_(console), to_out_(to_out) {}
  void OnChange(const std::vector<Run>& runs, size_t changed) override {
    before_.resize(runs.size());
    for (const std::string& line : DescribeChanges(before_[changed], runs[changed])) Print(line);
    before_[changed] = runs[changed];
  }
  // A run that has been pending for a moment; at its start every run is.
  void OnTick(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.state() != lwqat::v1::RUN_STATE_PENDING || !hinted_.insert(run.id()).second) continue;
      Print(absl::StrCat(run.spec().name(), " ", reporting::ShortId(run.id()), ": ", WaitsForWorkerText()));
    }
  }
  void OnConnection(bool connected) override { console_->Err(ConnectionNote(connected)); }
  void OnEnd(const std::vector<Run>& /*runs*/) override {}

 private:
  void Print(const std::string& line) { to_out_ ? console_->Out(line) : console_->Err(line); }

  Console* console_;
  const bool to_out_;
  std::vector<Run> before_;
  std::set<std::string> hinted_;  // ids
};

class JsonView : public RunView {
 public:
  explicit JsonView(Console* console) : console_(console) {}
  void OnChange(const std::vector<Run>& runs, size_t changed) override {
    console_->Out(reporting::OneLineJson(reporting::RunToJson(runs[changed])));
  }
  void OnTick(const std::vector<Run>& /*runs*/) override {}
  void OnConnection(bool connected) override { console_->Err(ConnectionNote(connected)); }
  void OnEnd(const std::vector<Run>& /*runs*/) override {}

 private:
  Console* console_;
};

}  // namespace

std::string ConnectionNote(bool connected) {
  return connected ? "the coordinator answers again" : "the coordinator does not answer; trying again";
}

WatchStyle ChooseWatchStyle(const Console& console, bool json) {
  if (json) return WatchStyle::kJson;
  return console.options().out_is_terminal && console.options().err_is_terminal ? WatchStyle::kTerminal
                                                                                : WatchStyle::kLines;
}

WatchStyle ChooseProgressStyle(const Console& console, bool out_is_taken) {
  const WatchStyle style = ChooseWatchStyle(console, /*json=*/false);
  return style == WatchStyle::kLines && out_is_taken ? WatchStyle::kNotes : style;
}

std::unique_ptr<RunView> MakeRunView(WatchStyle style, Console* console) {
  switch (style) {
    case WatchStyle::kTerminal:
      return std::make_unique<TerminalView>(console);
    case WatchStyle::kLines:
      return std::make_unique<LineView>(console, true);
    case WatchStyle::kNotes:
      return std::make_unique<LineView>(console, false);
    case WatchStyle::kJson:
      return std::make_unique<JsonView>(console);
  }
  return nullptr;
}

std::unique_ptr<RunView> MakeManyRunsView(WatchStyle style, Console* console) {
  switch (style) {
    case WatchStyle::kTerminal:
      return std::make_unique<ManyRunsView>(console, ManyRunsView::Lines::kLive);
    case WatchStyle::kLines:
      return std::make_unique<ManyRunsView>(console, ManyRunsView::Lines::kOut);
    case WatchStyle::kNotes:
      return std::make_unique<ManyRunsView>(console, ManyRunsView::Lines::kErr);
    case WatchStyle::kJson:
      return std::make_unique<JsonView>(console);
  }
  return nullptr;
}

}  // namespace lwq::client
