#include "coordinator/scheduler/placement.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "common/task/numerics_class.h"

namespace lwq::coordinator {
namespace {

TaskKind MainKind(const ResolvedSpec& resolved) {
  return resolved.recipe.method == "block_ap" ? TaskKind::kTrainBlock : TaskKind::kEvaluatePpl;
}

bool Executes(const WorkerRecord& worker, TaskKind kind) {
  return worker.kinds.empty() || std::find(worker.kinds.begin(), worker.kinds.end(), kind) != worker.kinds.end();
}

// Bases that runs of the same model are pinned to.
std::set<std::string> BasesOfModel(const State& state, const Digest& model_files) {
  std::set<std::string> bases;
  for (const auto& [id, run] : state.runs) {
    const auto& model = run.record.spec->model;
    if (!model.has_value() || model->files.digest != model_files) continue;
    const std::string base = NumericsBaseOf(run.record.numerics_class);
    if (!base.empty()) bases.insert(base);
  }
  return bases;
}

struct Group {
  int workers = 0;
  bool hardware_bf16 = true;
};

}  // namespace

StatusOr<std::optional<ChosenClass>> ChooseClass(const State& state, const ResolvedSpec& resolved, const Plan& plan) {
  const bool pinned = NeedsNumericsClass(resolved);
  std::map<std::string, Group> groups;
  int64_t largest_bytes = 0;
  bool any = false;
  for (const auto& [id, worker] : state.workers) {
    const WorkerRecord& record = worker.record;
    if (!worker.alive || worker.draining || record.max_threads < resolved.recipe.threads) continue;
    if (pinned && !Executes(record, MainKind(resolved))) continue;
    if (!resolved.spec.numerics_class.empty() && resolved.spec.numerics_class != record.numerics_class) continue;
    any = true;
    largest_bytes = std::max(largest_bytes, record.memory_bytes);
    if (record.memory_bytes < plan.peak_memory_bytes) continue;
    Group& group = groups[record.numerics_class];
    ++group.workers;
    group.hardware_bf16 = group.hardware_bf16 && record.hardware_bf16;
  }
  if (any && groups.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the largest task needs ", HumanBytes(plan.peak_memory_bytes), " of memory and the largest fitting worker has ",
        HumanBytes(largest_bytes), ": ", HumanBytes(plan.peak_memory_bytes - largest_bytes),
        " are missing; lower batch_size or training_seqlen, or start a worker with more memory"));
  }
  if (groups.empty()) return std::optional<ChosenClass>();
  const std::set<std::string> shared = resolved.spec.model.has_value()
                                           ? BasesOfModel(state, resolved.spec.model->files.digest)
                                           : std::set<std::string>();
  const auto better = [&](const auto& a, const auto& b) {
    const bool a_shares = shared.contains(a.first);
    const bool b_shares = shared.contains(b.first);
    if (a_shares != b_shares) return a_shares;
    return a.second.workers > b.second.workers;  // the map is ordered, so the first of equals is the lexicographic one
  };
  auto best = groups.begin();
  for (auto it = std::next(groups.begin()); it != groups.end(); ++it) {
    if (better(*it, *best)) best = it;
  }
  return ChosenClass{best->first, best->second.hardware_bf16};
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
