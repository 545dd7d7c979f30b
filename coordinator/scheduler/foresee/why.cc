// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/foresee/why.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "absl/strings/str_join.h"
#include "common/text/one_line.h"
#include "coordinator/scheduler/choose/placement.h"
#include "coordinator/scheduler/choose/run_ahead.h"
#include "coordinator/scheduler/state/learning.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMinPrefix = 4;
constexpr size_t kShownBytes = 80;
constexpr size_t kNamed = 5;
constexpr int64_t kCounted = 1000;  // of tasks that go before

std::string SecondsText(double seconds) {
  char text[48];
  std::snprintf(text, sizeof(text), seconds < 10 ? "%.1f s" : "%.0f s", seconds);
  return text;
}

std::string WithMore(const std::vector<std::string>& items) {
  const size_t named = std::min(items.size(), kNamed);
  const std::string text = absl::StrJoin(items.begin(), items.begin() + static_cast<ptrdiff_t>(named), "; ");
  return named == items.size() ? text : absl::StrCat(text, "; and ", items.size() - named, " more");
}

std::string TitleIn(const RunEntry& run, const Digest& key) {
  for (const RunTaskRecord& task : run.tasks) {
    if (task.key == key) return task.title;
  }
  return absl::StrCat("task ", key.short_hex());
}

class Answer {
 public:
  Answer(const State& state, const RunEntry& run, size_t position, Instant now)
      : state_(state), run_(run), in_run_(run.tasks[position]), task_(state.tasks.at(in_run_.key)), now_(now) {}

  std::vector<std::string> Lines() {
    const TaskRecord& record = task_.record;
    switch (record.state) {
      case TaskState::kBlocked:
        Blocked();
        break;
      case TaskState::kReady:
        Ready();
        break;
      case TaskState::kLeased:
        Leased();
        break;
      case TaskState::kSucceeded:
        Succeeded();
        break;
      case TaskState::kFailed:
        Say("it has failed: ", record.error);
        break;
      case TaskState::kCancelled:
        Say("it is cancelled: no run wants it any more");
        break;
    }
    Past();
    Sharers();
    return std::move(lines_);
  }

 private:
  template <typename... Parts>
  void Say(const Parts&... parts) {
    lines_.push_back(absl::StrCat(parts...));
  }

  void Blocked() {
    if (!task_.waiting_for.is_zero()) {
      const auto owner = state_.action_owner.find(task_.waiting_for);
      const TaskEntry* other = owner == state_.action_owner.end() ? nullptr : &state_.tasks.at(owner->second);
      Say("it waits for an equal action that another task is doing",
          other != nullptr && other->record.state == TaskState::kLeased
              ? absl::StrCat(", on ", other->record.worker_name)
              : "",
          ": it takes over the result");
      return;
    }
    std::vector<std::string> missing;
    for (const auto& [role, input] : task_.record.def->inputs) {
      const auto* made = std::get_if<TaskOutputRef>(&input);
      if (made == nullptr || ContentOf(state_, input).has_value()) continue;
      const TaskState there = state_.tasks.at(made->derivation_key).record.state;
      missing.push_back(absl::StrCat(TitleIn(run_, made->derivation_key), " (", TaskStateName(there), ")"));
    }
    if (missing.empty()) {
      Say("its inputs were discarded or lost and are being made again");
    } else {
      Say("it waits for ", WithMore(missing));
    }
  }

  void Ready() {
    if (task_.not_before_ms > now_.steady_ms) {
      Say("it is tried again in ", SecondsText(static_cast<double>(task_.not_before_ms - now_.steady_ms) / 1000));
      return;
    }
    if (!task_.queued) {
      NotBegun();
      return;
    }
    Fitting();
    const std::set<std::string>* devices = state_.health.DevicesOf(task_.record.key);
    if (devices != nullptr) {
      Say("it has failed on ", WithMore({devices->begin(), devices->end()}),
          ": another worker goes first, where one fits it");
    }
    const std::string& project = task_.place.project;
    if (IsHeldByProject(state_, task_)) {
      Say("it is held back: project '", project, "' has ",
          HumanBytes(state_.activations.needed_bytes_of(project) + state_.activations.expected_bytes_of(project)),
          " of activations that are being made or still to be read, and may have ",
          HumanBytes(state_.shares.OptionsOf(project).max_stored_bytes),
          " (--project): its runs that have some go first");
    } else if (IsHeldBack(state_, task_)) {
      Say("it is held back: what it makes exceeds the activation budget (--activation-bytes), and is not read soon");
    }
    if (!state_.shares.Rank(project).has_value()) {
      Say("project '", project, "' executes as many tasks as it may (", state_.shares.OptionsOf(project).max_running,
          ")");
    }
    Ahead();
  }

  // Nobody it may be begun for wants it.
  void NotBegun() {
    if (run_.record.paused || in_run_.needs_blocks <= run_.promoted_blocks) {
      Say("it is not begun: every run that wants it is paused (lwq resume)");
      return;
    }
    Say("it is not begun: halving lets the run train ", run_.promoted_blocks,
        run_.promoted_blocks == 1 ? " block" : " blocks", " so far, and the task is for those after them");
  }

  void Fitting() {
    size_t fitting = 0, idle = 0, quarantined = 0, here = 0;
    std::map<std::string, size_t> against;
    for (const auto& [shape, ids] : state_.here) {
      here += ids.size();
      const std::string reason = ReasonAgainst(state_.workers.at(*ids.begin()).record);
      if (!reason.empty()) {
        against[reason] += ids.size();
        continue;
      }
      fitting += ids.size();
      for (const WorkerId& id : ids) {
        const WorkerEntry& worker = state_.workers.at(id);
        if (state_.health.StandingOf(DeviceOf(worker.record)) == Standing::kQuarantined) {
          ++quarantined;
        } else if (!worker.lease.has_value()) {
          ++idle;
        }
      }
    }
    if (here < state_.workers.size()) against["not heard of, or ending"] = state_.workers.size() - here;
    if (fitting > 0) {
      Say(fitting, fitting == 1 ? " worker fits it, " : " workers fit it, ", idle, " of them idle",
          quarantined == 0 ? "" : absl::StrCat(", ", quarantined, " in quarantine (lwq workers)"));
      return;
    }
    std::vector<std::string> reasons;
    for (const auto& [reason, workers] : against) reasons.push_back(absl::StrCat(workers, " ", reason));
    if (reasons.empty()) {
      Say("no worker is here");
    } else {
      Say("none of the workers fits it: ", WithMore(reasons));
    }
  }

  std::string ReasonAgainst(const WorkerRecord& worker) const {
    const Demand& demand = task_.place.demand;
    if (!ExecutesKind(worker, demand.kind)) return absl::StrCat("without ", TaskKindName(demand.kind));
    if (!demand.base.empty() && demand.base != worker.numerics_class) {
      return absl::StrCat("of class '", worker.numerics_class, "' instead of '", demand.base, "'");
    }
    if (demand.threads > worker.max_threads) return absl::StrCat("with fewer than ", demand.threads, " threads");
    if (demand.memory_bytes > worker.memory_bytes) {
      return absl::StrCat("with less than ", HumanBytes(demand.memory_bytes), " of memory");
    }
    return Fits(demand, worker) ? "" : "that cannot take such tasks";
  }

  void Ahead() {
    const int64_t ahead = state_.ready.CountBefore(task_.place, task_.record.key, kCounted);
    Say(ahead == kCounted ? "at least " : "", ahead, ahead == 1 ? " task" : " tasks",
        " of its project wait before it, by priority, age of the run and length of "
        "the path that hangs on them");
    for (const auto& [project, use] : state_.shares.all()) {
      if (project == task_.place.project || use.waiting == 0) continue;
      const auto other = state_.shares.Rank(project), own = state_.shares.Rank(task_.place.project);
      if (other.has_value() && own.has_value() && *other < *own) {
        Say("project '", project, "' is further behind its share of the device time and goes first");
      }
    }
  }

  void Leased() {
    if (IsDuplicated(task_.record)) {
      Say(task_.record.older->worker_name, " has had it for ",
          SecondsText(static_cast<double>(now_.steady_ms - task_.older_leased_at_ms) / 1000),
          ", far longer than such tasks took: ", task_.record.worker_name,
          " executes it as well, and whoever ends first counts");
    }
    const double seconds = static_cast<double>(now_.steady_ms - task_.leased_at_ms) / 1000;
    const std::optional<double> expected = ExpectedSeconds(state_, task_);
    Say(task_.record.worker_name, " has it for ", SecondsText(seconds),
        expected.has_value() ? absl::StrCat("; such tasks took ", SecondsText(*expected), " so far") : "",
        task_.progress.stage.empty() ? "" : absl::StrCat("; ", task_.progress.stage));
  }

  void Succeeded() {
    const auto action = state_.actions.find(task_.record.action_key);
    if (task_.record.from_cache) {
      Say("it is done: its result was known, nothing was executed for it");
    } else if (action != state_.actions.end()) {
      Say("it is done: ", task_.record.worker_name, " took ", SecondsText(action->second.seconds));
    }
  }

  void Past() {
    const TaskRecord& record = task_.record;
    std::vector<std::string> failures;
    for (size_t cause = 0; cause < record.failures.size(); ++cause) {
      if (record.failures[cause] == 0) continue;
      failures.push_back(
          absl::StrCat(record.failures[cause], " × ", FailureCauseName(static_cast<FailureCause>(cause))));
    }
    if (!failures.empty()) {
      Say("attempts: ", record.attempts, "; failed before: ", absl::StrJoin(failures, ", "),
          record.error.empty() ? "" : absl::StrCat("; last: ", record.error));
    }
  }

  void Sharers() {
    std::vector<std::string> others;
    for (const auto& [sequence, position] : task_.wanted_by) {
      const RunId& id = state_.runs_by_sequence.at(sequence);
      if (id != run_.record.id) others.push_back(id.value);
    }
    if (!others.empty()) Say("also wanted by ", others.size() == 1 ? "run " : "runs ", WithMore(others));
  }

  const State& state_;
  const RunEntry& run_;
  const RunTaskRecord& in_run_;
  const TaskEntry& task_;
  const Instant now_;
  std::vector<std::string> lines_;
};

}  // namespace

StatusOr<size_t> FindTask(const RunEntry& run, const std::string& name) {
  const std::string shown = OneLine(name, kShownBytes);
  std::vector<size_t> parts;
  for (size_t i = 0; i < run.tasks.size(); ++i) {
    const RunTaskRecord& task = run.tasks[i];
    if (task.title == name || (name.size() >= kMinPrefix && task.key.hex().starts_with(name))) return i;
    if (!name.empty() && task.title.find(name) != std::string::npos) parts.push_back(i);
  }
  if (parts.size() == 1) return parts.front();
  if (parts.empty()) {
    return absl::NotFoundError(absl::StrCat("run ", run.record.id.value, " has no task '", shown,
                                            "': give a title as lwq get shows it, or the first digits of its key"));
  }
  std::vector<std::string> titles;
  for (const size_t part : parts) titles.push_back(run.tasks[part].title);
  return absl::InvalidArgumentError(
      absl::StrCat("'", shown, "' may be ", WithMore(titles), ": give more of the title"));
}

std::vector<std::string> Why(const State& state, const RunEntry& run, size_t position, Instant now) {
  return Answer(state, run, position, now).Lines();
}

}  // namespace lwq::coordinator
