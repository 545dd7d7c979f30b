// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/choose/placement.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "common/task/numerics_class.h"
#include "coordinator/plan/cost/task_costs.h"

namespace lwq::coordinator {
namespace {

struct Group {
  int workers = 0;
  bool hardware_bf16 = true;
  double cost = 1;  // how late a run of the kind would end here, as a multiple of the fastest base's time for one
};

// The workers that count for a kind.
struct Candidates {
  std::map<std::string, Group> fitting;  // by base
  bool any = false;
  int64_t needed_bytes = 0;
  int64_t largest_bytes = 0;  // of a worker that counts
};

std::string NamedBase(const RunSpec& spec, TaskKind kind) {
  if (!IsPinnedKind(kind)) return "";
  const auto named = spec.kind_classes.find(kind);
  return named != spec.kind_classes.end() ? named->second : spec.numerics_class;
}

// Seconds that a unit of work of the kind takes on the base, where tasks were measured there.
std::optional<double> RateOf(const State& state, const Recipe& recipe, TaskKind kind, const std::string& base,
                             bool hardware_bf16) {
  const Recipe pinned = PinRecipe(recipe, hardware_bf16);
  return state.durations.SecondsFor(kind, ClassOf({{kind, base}}, kind, pinned), 1);
}

// A run has about one task to do at a time, so that it waits only where there are more runs than workers.
void SetCosts(const State& state, const Recipe& recipe, TaskKind kind, std::map<std::string, Group>& groups) {
  std::map<std::string, double> rates;
  for (const auto& [base, group] : groups) {
    const std::optional<double> rate = RateOf(state, recipe, kind, base, group.hardware_bf16);
    if (rate.has_value() && *rate > 0) rates[base] = *rate;
  }
  double fastest = 0;
  for (const auto& [base, rate] : rates) fastest = fastest == 0 ? rate : std::min(fastest, rate);
  for (auto& [base, group] : groups) {
    const auto rate = rates.find(base);
    const double slowness = rate == rates.end() ? 1 : rate->second / fastest;  // What is not known is tried.
    const auto running = state.running_on_base.find(base);
    const int64_t runs = 1 + (running == state.running_on_base.end() ? 0 : running->second);
    group.cost = slowness * std::max(1.0, static_cast<double>(runs) / group.workers);
  }
}

Candidates CandidatesFor(const State& state, const ResolvedSpec& resolved, TaskKind kind) {
  Candidates candidates;
  if (resolved.model != nullptr) candidates.needed_bytes = TaskMemoryBytes(kind, *resolved.model, resolved.recipe);
  const std::string named = NamedBase(resolved.spec, kind);
  for (const auto& [id, worker] : state.workers) {
    const WorkerRecord& record = worker.record;
    if (!IsHere(worker) || worker.draining || !ExecutesKind(record, kind)) continue;
    if (!record.projects.Has(resolved.spec.project)) continue;
    if (IsPinnedKind(kind) && record.max_threads < resolved.recipe.threads) continue;
    if (!named.empty() && named != record.numerics_class) continue;
    candidates.any = true;
    candidates.largest_bytes = std::max(candidates.largest_bytes, record.memory_bytes);
    if (record.memory_bytes < candidates.needed_bytes) continue;
    Group& group = candidates.fitting[record.numerics_class];
    ++group.workers;
    group.hardware_bf16 = group.hardware_bf16 && record.hardware_bf16;
  }
  if (IsPinnedKind(kind)) SetCosts(state, resolved.recipe, kind, candidates.fitting);
  return candidates;
}

int64_t MissingBytes(const Candidates& candidates) {
  return candidates.needed_bytes - candidates.largest_bytes;
}

Status DoesNotFit(TaskKind kind, const Candidates& candidates) {
  return absl::FailedPreconditionError(
      absl::StrCat("a task of kind ", TaskKindName(kind), " needs ", HumanBytes(candidates.needed_bytes),
                   " of memory and the largest worker for it has ", HumanBytes(candidates.largest_bytes), ": ",
                   HumanBytes(MissingBytes(candidates)),
                   " are missing; lower batch_size or training_seqlen, or start a worker with more memory"));
}

// By kind, the bases that runs of the same model are pinned to.
std::map<TaskKind, std::set<std::string>> BasesOfModel(const State& state, const RunSpec& spec) {
  if (!spec.model.has_value()) return {};
  const auto bases = state.bases_of_model.find(spec.model->files.digest);
  return bases == state.bases_of_model.end() ? std::map<TaskKind, std::set<std::string>>() : bases->second;
}

// `fitting` is not empty; `main_base` is "" while that of the main kind is being chosen.
std::string BestBase(const std::map<std::string, Group>& fitting, const std::set<std::string>& shared,
                     const std::string& main_base) {
  const auto rank = [&](const auto& candidate) {
    return std::make_tuple(shared.contains(candidate.first), candidate.first == main_base, -candidate.second.cost,
                           candidate.second.workers);
  };
  // The map is ordered, and the first of equals is kept.
  return std::max_element(fitting.begin(), fitting.end(),
                          [&](const auto& a, const auto& b) { return rank(a) < rank(b); })
      ->first;
}

}  // namespace

StatusOr<std::optional<ChosenClasses>> ChooseClasses(const State& state, const ResolvedSpec& resolved) {
  const std::set<TaskKind> kinds = KindsOfRun(resolved.spec, resolved.recipe);
  std::map<TaskKind, Candidates> candidates;
  bool waits = false;
  std::optional<TaskKind> worst;  // of those that do not fit, the one that misses most
  for (const TaskKind kind : kinds) {
    const Candidates& found = candidates[kind] = CandidatesFor(state, resolved, kind);
    const bool fits = !found.any || !found.fitting.empty();
    if (!fits && (!worst.has_value() || MissingBytes(found) > MissingBytes(candidates.at(*worst)))) worst = kind;
    waits = waits || (IsPinnedKind(kind) && !found.any);
  }
  if (worst.has_value()) return DoesNotFit(*worst, candidates.at(*worst));
  if (waits) return std::optional<ChosenClasses>();
  ChosenClasses chosen;
  const std::optional<TaskKind> main_kind = MainKindOf(kinds);
  if (!main_kind.has_value()) return std::make_optional(std::move(chosen));
  std::map<TaskKind, std::set<std::string>> shared = BasesOfModel(state, resolved.spec);
  const std::map<std::string, Group>& of_main = candidates.at(*main_kind).fitting;
  const std::string main_base = BestBase(of_main, shared[*main_kind], "");
  for (const TaskKind kind : kinds) {
    if (IsPinnedKind(kind)) chosen.bases[kind] = BestBase(candidates.at(kind).fitting, shared[kind], main_base);
  }
  chosen.bases[*main_kind] = main_base;
  chosen.hardware_bf16 = of_main.at(main_base).hardware_bf16;
  return std::make_optional(std::move(chosen));
}

std::set<std::string> BasesHere(const State& state) {
  std::set<std::string> here;
  for (const auto& [id, worker] : state.workers) {
    if (IsHere(worker)) here.insert(worker.record.numerics_class);
  }
  return here;
}

std::set<std::string> MissingBases(const State& state, const RunEntry& run, const std::set<std::string>& here) {
  std::set<std::string> missing;
  for (const auto& [kind, base] : run.record.kind_bases) {
    if (!here.contains(base)) missing.insert(base);
  }
  if (missing.empty()) return missing;
  std::set<std::string> needed;
  for (const RunTaskRecord& planned : run.tasks) {
    const TaskEntry& task = state.tasks.at(planned.key);
    if (task.wanted_by.contains(run.record.sequence) && task.record.state != TaskState::kSucceeded)
      needed.insert(BaseOf(task.record.def->numerics_class));
  }
  std::erase_if(missing, [&](const std::string& base) { return !needed.contains(base); });
  return missing;
}

std::string HumanBytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace lwq::coordinator
