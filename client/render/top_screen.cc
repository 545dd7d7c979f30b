// SPDX-License-Identifier: Apache-2.0
#include "client/render/top_screen.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/base/format.h"
#include "client/render/run_text.h"
#include "client/render/table.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

using Tone = TopLine::Tone;

constexpr int kBarWidth = 10;
constexpr int kMostWorkers = 12;  // of which more are counted
constexpr int kNameWidth = 32;

bool IsExecuted(const lwqat::v1::Run& run) {
  return run.state() == lwqat::v1::RUN_STATE_RUNNING && !run.paused();
}

std::string StateWord(const lwqat::v1::Run& run) {
  return run.paused() && !reporting::HasEnded(run) ? "paused" : reporting::RunStateName(run.state());
}

Tone ToneOf(const lwqat::v1::Run& run) {
  if (run.state() == lwqat::v1::RUN_STATE_FAILED) return Tone::kBad;
  if (run.state() == lwqat::v1::RUN_STATE_SUCCEEDED) return Tone::kGood;
  if (reporting::HasEnded(run)) return Tone::kSoft;
  return IsExecuted(run) ? Tone::kPlain : Tone::kWarn;
}

// By how many of its tasks were executed so far; "" where too few were.
std::string Left(const lwqat::v1::Run& run, double now_unix_s) {
  const int executed = run.tasks_done() - run.tasks_shared();
  if (!IsExecuted(run) || executed < 2) return "";
  const double elapsed = now_unix_s - reporting::UnixSeconds(run.submitted_at());
  return absl::StrCat("~", FormatSeconds(elapsed / executed * (run.tasks_total() - run.tasks_done())));
}

std::string Doing(const lwqat::v1::Run& run) {
  if (!run.error().empty()) return run.error();
  if (!run.waiting_reason().empty()) return run.waiting_reason();
  if (run.tasks_size() == 0) return "";
  return absl::StrCat(run.tasks(0).title(),
                      run.tasks_size() == 1 ? "" : absl::StrCat(", ", run.tasks_size() - 1, " more"));
}

std::vector<const lwqat::v1::Run*> Sorted(const TopState& state, bool ended) {
  std::vector<const lwqat::v1::Run*> runs;
  for (const auto& [id, run] : state.runs) {
    if (ended || !reporting::HasEnded(run)) runs.push_back(&run);
  }
  const auto rank = [](const lwqat::v1::Run& run) { return reporting::HasEnded(run) ? 2 : IsExecuted(run) ? 0 : 1; };
  std::sort(runs.begin(), runs.end(), [&](const auto* a, const auto* b) {
    if (rank(*a) != rank(*b)) return rank(*a) < rank(*b);
    if (reporting::UnixSeconds(a->submitted_at()) != reporting::UnixSeconds(b->submitted_at())) {
      return reporting::UnixSeconds(a->submitted_at()) > reporting::UnixSeconds(b->submitted_at());
    }
    return a->id() < b->id();
  });
  return runs;
}

std::string Count(size_t count, const char* what) {
  return absl::StrCat(count, " ", what);
}

std::string ClockText(double unix_s) {
  google::protobuf::Timestamp time;
  time.set_seconds(static_cast<int64_t>(unix_s));
  return TimeText(time);
}

std::string Title(const TopState& state, const TopView& view) {
  size_t executed = 0, ended = 0, busy = 0;
  for (const auto& [id, run] : state.runs) {
    executed += IsExecuted(run) ? 1 : 0;
    ended += reporting::HasEnded(run) ? 1 : 0;
  }
  for (const auto& worker : state.workers) busy += worker.task().empty() ? 0 : 1;
  return absl::StrCat("lwq top  ", state.address, "  ", ClockText(view.now_unix_s), "  ",
                      state.connected ? "" : "NOT ANSWERING  ", "runs: ", Count(executed, "running"), ", ",
                      Count(state.runs.size() - executed - ended, "waiting"), ", ", Count(ended, "ended"),
                      "  workers: ", busy, " of ", state.workers.size(), " executing");
}

// A table's lines: its head, and its rows.
std::vector<std::string> LinesOf(const Table& table) {
  std::vector<std::string> lines = absl::StrSplit(table.Render(), '\n');
  lines.pop_back();
  return lines;
}

std::string Standing(const lwqat::v1::WorkerInfo& worker) {
  if (!worker.alive()) return "lost";
  if (worker.draining()) return "draining";
  if (worker.has_quarantine()) return "quarantined";
  return worker.task().empty() ? "idle" : "busy";
}

void AddWorkers(const TopState& state, std::vector<TopLine>& lines) {
  if (state.workers.empty()) {
    lines.push_back({"no workers", Tone::kSoft});
    return;
  }
  Table table({{"worker"}, {"state"}, {"device"}, {"memory", true}, {"task"}});
  const size_t shown = std::min(state.workers.size(), static_cast<size_t>(kMostWorkers));
  for (size_t i = 0; i < shown; ++i) {
    const lwqat::v1::WorkerInfo& worker = state.workers[i];
    table.AddRow({worker.name(), Standing(worker), worker.device(), FormatBytes(worker.memory_bytes()), worker.task()});
  }
  const std::vector<std::string> text = LinesOf(table);
  lines.push_back({text[0], Tone::kHead});
  for (size_t i = 0; i < shown; ++i) {
    const bool amiss = !state.workers[i].alive() || state.workers[i].has_quarantine();
    lines.push_back({text[i + 1], amiss ? Tone::kBad : Tone::kPlain});
  }
  if (shown < state.workers.size()) {
    lines.push_back({absl::StrCat("and ", state.workers.size() - shown, " more"), Tone::kSoft});
  }
}

void AddRuns(const TopState& state, const TopView& view, std::vector<TopLine>& lines) {
  const std::vector<const lwqat::v1::Run*> runs = Sorted(state, view.ended);
  if (runs.empty()) {
    lines.push_back({!state.loaded        ? "loading…"
                     : state.runs.empty() ? "no runs"
                                          : "no run is open: e shows those that have ended",
                     Tone::kSoft});
    return;
  }
  Table table({{"id"}, {"name"}, {"state"}, {"progress"}, {"tasks", true}, {"bits", true}, {"left", true}, {"now"}});
  const size_t first = std::min(runs.size() - 1, static_cast<size_t>(std::max(0, view.skipped)));
  const size_t room = static_cast<size_t>(std::max(1, view.rows - static_cast<int>(lines.size()) - 2));
  const size_t last = std::min(runs.size(), first + room);
  for (size_t i = first; i < last; ++i) {
    const lwqat::v1::Run& run = *runs[i];
    const double share = run.tasks_total() == 0 ? 0 : static_cast<double>(run.tasks_done()) / run.tasks_total();
    const double bits = run.plan().stored_bits_per_weight();
    table.AddRow({run.id().substr(0, 8), CutToWidth(run.spec().name(), kNameWidth), StateWord(run),
                  ProgressBar(share, kBarWidth, view.utf8), absl::StrCat(run.tasks_done(), "/", run.tasks_total()),
                  bits > 0 ? FormatFixed(bits, 2) : "", Left(run, view.now_unix_s), Doing(run)});
  }
  const std::vector<std::string> text = LinesOf(table);
  lines.push_back({text[0], Tone::kHead});
  for (size_t i = first; i < last; ++i) lines.push_back({text[i - first + 1], ToneOf(*runs[i])});
}

}  // namespace

void TakeRuns(const lwqat::v1::WatchRunsResponse& message, TopState* state) {
  if (message.all_again()) state->runs.clear();
  for (const lwqat::v1::Run& run : message.runs()) state->runs[run.id()] = run;
  for (const std::string& id : message.deleted()) state->runs.erase(id);
  if (!message.more()) state->loaded = true;
}

std::vector<TopLine> RenderTop(const TopState& state, const TopView& view) {
  std::vector<TopLine> lines = {{Title(state, view), state.connected ? Tone::kHead : Tone::kBad}, {}};
  AddWorkers(state, lines);
  lines.push_back({});
  AddRuns(state, view, lines);
  lines.resize(static_cast<size_t>(std::max(1, view.rows - 1)));
  lines.push_back({absl::StrCat("q quit   e ", view.ended ? "hide" : "show", " ended runs   arrows, page keys: scroll"),
                   Tone::kSoft});
  for (TopLine& line : lines) line.text = CutToWidth(line.text, view.columns);
  return lines;
}

}  // namespace lwq::client
