// SPDX-License-Identifier: Apache-2.0
#include "coordinator/metrics/census.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "common/metrics/families.h"
#include "coordinator/scheduler/choose/run_ahead.h"

namespace lwq::coordinator {
namespace {

constexpr char kOther[] = "other";
constexpr char kAny[] = "any";

// Which classes have a name of their own.
class Classes {
 public:
  explicit Classes(const State& state) {
    for (const auto& [shape, ids] : state.here) Note(shape.numerics_class);
    state.ready.ForEach([&](const Demand& demand, const std::string&, size_t) { Note(demand.base); });
  }
  std::string NameOf(const std::string& base) const {
    if (base.empty()) return kAny;
    return known_.contains(base) ? base : kOther;
  }

 private:
  void Note(const std::string& base) {
    if (known_.size() < kMaxClasses) known_.insert(base);
  }
  std::set<std::string> known_;
};

std::string ReasonOf(const State& state, const Demand& demand, const std::string& project) {
  const bool fits = std::any_of(state.here.begin(), state.here.end(), [&](const auto& alike) {
    const WorkerRecord& one = state.workers.at(*alike.second.begin()).record;
    return Fits(demand, one) && one.projects.Has(project);
  });
  if (!fits) return "no_worker";
  if (!state.shares.Rank(project).has_value()) return "project_limit";
  if (AreHeldByProject(state, demand.kind, project)) return "activation_budget";
  return "workers_busy";
}

std::string StandingName(const State& state, const WorkerEntry& worker) {
  if (!IsHere(worker)) return "gone";
  switch (state.health.StandingOf(DeviceOf(worker.record))) {
    case Standing::kTrusted:
      return "trusted";
    case Standing::kQuarantined:
      return "quarantined";
    case Standing::kProbed:
      return "probed";
  }
  return kOther;
}

double Seconds(int64_t ms) {
  return static_cast<double>(ms) / 1000;
}

}  // namespace

Census TakeCensus(const State& state, int64_t now_ms) {
  Census census;
  const Classes classes(state);
  state.ready.ForEach([&](const Demand& demand, const std::string& project, size_t tasks) {
    census.ready[{classes.NameOf(demand.base), ReasonOf(state, demand, project)}] += static_cast<int64_t>(tasks);
  });
  census.delayed = static_cast<int64_t>(state.delayed.size());
  for (const auto& [id, worker] : state.workers) {
    const std::string name = classes.NameOf(worker.record.numerics_class);
    ++census.workers[{name, StandingName(state, worker)}];
    if (!worker.lease.has_value()) continue;
    ++census.leased[name];
    int64_t& silent_ms = census.silent_ms[name];
    silent_ms = std::max(silent_ms, now_ms - worker.last_seen_ms);
  }
  for (const auto& [id, run] : state.runs) ++census.runs[run.record.state];
  census.tasks = static_cast<int64_t>(state.tasks.size());
  census.stragglers = static_cast<int64_t>(state.stragglers.size());
  census.activation_bytes_stored = state.activations.stored_bytes();
  census.activation_bytes_discarded = state.activations.discarded_bytes();
  census.activation_bytes_deleted = state.activations.deleted_bytes();
  census.activation_bytes_budget = state.options.activation_bytes;
  census.input_bytes = state.inputs.total_bytes();
  return census;
}

std::vector<prometheus::MetricFamily> FamiliesOf(const Census& census) {
  std::vector<prometheus::MetricFamily> families;
  const auto gauge = [&](const char* name, const char* help) -> prometheus::MetricFamily& {
    return families.emplace_back(GaugeFamily(name, help));
  };
  const auto single = [&](const char* name, const char* help, int64_t value) {
    AddSeries(gauge(name, help), {}, static_cast<double>(value));
  };
  auto& queue = gauge("lwq_queue_tasks", "Tasks that could be executed now, by the class they need and why they wait");
  for (const auto& [key, tasks] : census.ready) {
    AddSeries(queue, {{"class", key.first}, {"reason", key.second}}, static_cast<double>(tasks));
  }
  auto& leased = gauge("lwq_leased_tasks", "Tasks that are being executed");
  for (const auto& [name, tasks] : census.leased) AddSeries(leased, {{"class", name}}, static_cast<double>(tasks));
  auto& silent = gauge("lwq_lease_age_seconds", "The longest that a worker with a task has not been heard of");
  for (const auto& [name, silent_ms] : census.silent_ms) AddSeries(silent, {{"class", name}}, Seconds(silent_ms));
  auto& workers = gauge("lwq_workers", "Workers by what is thought of their device");
  for (const auto& [key, count] : census.workers) {
    AddSeries(workers, {{"class", key.first}, {"standing", key.second}}, static_cast<double>(count));
  }
  auto& runs = gauge("lwq_runs", "Runs by state");
  for (const auto& [state, count] : census.runs) {
    AddSeries(runs, {{"state", absl::AsciiStrToLower(std::string(RunStateName(state)))}}, static_cast<double>(count));
  }
  single("lwq_tasks", "Tasks that the coordinator knows, in any state", census.tasks);
  single("lwq_delayed_tasks", "Tasks that wait after a failure before they are tried again", census.delayed);
  single("lwq_straggling_tasks", "Tasks that take longer than such tasks do", census.stragglers);
  single("lwq_activation_stored_bytes", "Activations in the object store", census.activation_bytes_stored);
  single("lwq_activation_discarded_bytes", "Activations that workers are to delete", census.activation_bytes_discarded);
  single("lwq_activation_budget_bytes", "What activations may occupy", census.activation_bytes_budget);
  single("lwq_input_bytes", "Models, tokenizers and texts that runs name, once for each project", census.input_bytes);
  prometheus::MetricFamily& deleted = families.emplace_back(
      CounterFamily("lwq_gc_deleted_bytes_total", "Bytes of activations that workers have deleted"));
  AddSeries(deleted, {}, static_cast<double>(census.activation_bytes_deleted));
  return families;
}

}  // namespace lwq::coordinator
