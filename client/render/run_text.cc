#include "client/render/run_text.h"

#include <algorithm>
#include <map>

#include "client/render/format.h"
#include "common/json/json.h"

namespace lwq {
namespace {

using lwqat::v1::Run;
using lwqat::v1::Task;

std::string WithoutPrefix(const std::string& name, size_t prefix) {
  return name.size() > prefix ? name.substr(prefix) : name;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c == '_' ? ' ' : static_cast<char>(std::tolower(c)); });
  return text;
}

double SecondsOf(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + static_cast<double>(time.nanos()) * 1e-9;
}

// Of its own steps, how much a task has done.
double ShareDone(const Task& task) {
  if (task.progress().steps() <= 0) return 0;
  return std::clamp(static_cast<double>(task.progress().step()) / static_cast<double>(task.progress().steps()), 0.0,
                    1.0);
}

struct Mean {
  double sum = 0;
  int count = 0;
  double value() const { return count > 0 ? sum / count : 0; }
};

}  // namespace

std::string RunStateName(lwqat::v1::RunState state) {
  return Lower(WithoutPrefix(lwqat::v1::RunState_Name(state), std::string("RUN_STATE_").size()));
}

std::string TaskStateName(lwqat::v1::TaskState state) {
  return Lower(WithoutPrefix(lwqat::v1::TaskState_Name(state), std::string("TASK_STATE_").size()));
}

std::string TaskGlyph(const Task& task, bool utf8) {
  if (task.state() == lwqat::v1::TASK_STATE_SUCCEEDED)
    return task.from_cache() ? (utf8 ? "≡" : "=") : (utf8 ? "✓" : "+");
  if (task.state() == lwqat::v1::TASK_STATE_LEASED) return utf8 ? "▶" : ">";
  if (task.state() == lwqat::v1::TASK_STATE_FAILED) return utf8 ? "✗" : "x";
  if (task.state() == lwqat::v1::TASK_STATE_CANCELLED) return "-";
  if (task.state() == lwqat::v1::TASK_STATE_READY) return utf8 ? "○" : "o";
  return utf8 ? "·" : ".";
}

std::string ShortId(const std::string& id) {
  return id.substr(0, 8);
}

std::string LossText(const Task& task) {
  if (!task.metrics_json().empty()) {
    if (const auto metrics = ParseJson(task.metrics_json(), "metrics"); metrics.ok() && metrics->is_object()) {
      for (const char* key : {"best_val_loss", "final_val_loss"}) {
        if (const auto loss = JsonDouble(*metrics, key, "metrics"); loss.ok())
          return absl::StrCat("loss ", FormatSignificant(*loss, 4));
      }
    }
  }
  if (task.progress().has_loss()) return absl::StrCat("loss ", FormatSignificant(task.progress().loss(), 4));
  return "";
}

std::string CostText(const Task& task) {
  std::string text;
  const auto add = [&](const std::string& fact) { absl::StrAppend(&text, text.empty() ? "" : ", ", fact); };
  if (task.seconds() > 0) add(FormatSeconds(task.seconds()));
  if (task.peak_memory_bytes() > 0) add(absl::StrCat("peak ", FormatBytes(task.peak_memory_bytes())));
  if (task.peak_rss_bytes() > 0) add(absl::StrCat("RSS ", FormatBytes(task.peak_rss_bytes())));
  return text;
}

double ElapsedSeconds(const Run& run, double now_unix_s) {
  if (!run.has_submitted_at()) return 0;
  const double end = run.has_finished_at() ? SecondsOf(run.finished_at()) : now_unix_s;
  return std::max(0.0, end - SecondsOf(run.submitted_at()));
}

std::optional<double> EstimateSecondsLeft(const Run& run) {
  std::map<std::string, Mean> by_kind;
  Mean overall;
  for (const Task& task : run.tasks()) {
    if (task.state() != lwqat::v1::TASK_STATE_SUCCEEDED || task.from_cache() || task.seconds() <= 0) continue;
    for (Mean* mean : {&by_kind[task.kind()], &overall}) {
      mean->sum += task.seconds();
      ++mean->count;
    }
  }
  if (overall.count == 0) return std::nullopt;
  double work = 0;
  int side_by_side = 0;
  for (const Task& task : run.tasks()) {
    if (IsTerminal(task.state())) continue;
    const auto known = by_kind.find(task.kind());
    const double whole = known != by_kind.end() ? known->second.value() : overall.value();
    work += whole * (1 - ShareDone(task));
    if (task.state() == lwqat::v1::TASK_STATE_LEASED) ++side_by_side;
  }
  return work / std::max(1, side_by_side);
}

bool IsTerminal(lwqat::v1::TaskState state) {
  return state == lwqat::v1::TASK_STATE_SUCCEEDED || state == lwqat::v1::TASK_STATE_FAILED ||
         state == lwqat::v1::TASK_STATE_CANCELLED;
}

}  // namespace lwq
