// SPDX-License-Identifier: Apache-2.0
// Properties over random recipes and shapes: what holds for every plan and every graph.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "common/task/numerics_class.h"
#include "coordinator/graph/run_graph.h"
#include "coordinator/plan/cost/storage.h"
#include "coordinator/plan/cost/task_costs.h"
#include "coordinator/plan/plan.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/coordinator/devices.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

RunSpec RandomSpec() {
  RunSpec spec = testing::BlockApSpec(*rc::gen::inRange(1, 6));
  spec.recipe.method = *rc::gen::element<std::string>("block_ap", "rtn", "gptq", "signround", "omniquant");
  if (spec.recipe.method == Method::kBlockAp) {
    spec.recipe.init = *rc::gen::element<std::string>("minmax", "gptq", "signround", "omniquant");
  }
  spec.recipe.wbits = *rc::gen::element(2, 3, 4, 8);
  spec.recipe.group_size = *rc::gen::element<int64_t>(-1, 1, 2, 4, 8, 16, 32, 64);
  spec.recipe.train_size = *rc::gen::inRange<int64_t>(1, 300);
  spec.recipe.val_size = *rc::gen::inRange<int64_t>(0, 20);
  spec.recipe.batch_size = *rc::gen::inRange<int64_t>(1, 9);
  spec.recipe.epochs = *rc::gen::inRange(0, 40) / 8.0;
  spec.recipe.seed = *rc::gen::inRange<int64_t>(0, 1000);
  spec.recipe.export_format = *rc::gen::element<std::string>("gptq_v2", "fake_quant", "none");
  spec.recipe.preset = *rc::gen::element<std::string>("default", "efficientqat", "strong");
  spec.recipe.prepare = *rc::gen::element<std::string>("none", "awq");
  spec.recipe.e2e_qp = *rc::gen::arbitrary<bool>();
  return spec;
}

ResolvedSpec Resolve(const RunSpec& spec) {
  StatusOr<ResolvedSpec> resolved = ResolveSpec(spec);
  LWQ_CHECK(resolved.ok(), resolved.status().ToString());
  return *std::move(resolved);
}

std::vector<PlannedTask> GraphOf(const ResolvedSpec& resolved) {
  const Recipe recipe = PinRecipe(resolved.recipe, false);
  return std::move(BuildRunGraph(resolved.spec, resolved.model.get(), recipe, UniformBases("a|b|c"))->tasks);
}

RC_GTEST_PROP(PlanProperty, StoredBitsLieBetweenTheCodesAndTheCodesWithTheirOverhead, ()) {
  const ResolvedSpec resolved = Resolve(RandomSpec());
  const Plan plan = *MakePlan(resolved.recipe, resolved.model.get());
  RC_ASSERT(plan.blocks.size() == static_cast<size_t>(resolved.model->num_hidden_layers));
  if (resolved.recipe.export_format == ExportFormat::kFakeQuant) {
    RC_ASSERT(plan.stored_bits_per_weight == 16);
    return;
  }
  const double bits = resolved.recipe.wbits;
  const double group = resolved.recipe.group_size == -1 ? 64 : static_cast<double>(resolved.recipe.group_size);
  RC_ASSERT(plan.stored_bits_per_weight > bits);
  // Scales of 16 bits and zero points of b bits per group; all widths here are multiples of 32, so nothing is padded.
  RC_ASSERT(plan.stored_bits_per_weight <= bits + (16 + bits) / group + 1e-9);
}

RC_GTEST_PROP(PlanProperty, StepsAreTheRoundedEpochsTimesBatches, ()) {
  const ResolvedSpec resolved = Resolve(RandomSpec());
  const Recipe& recipe = resolved.recipe;
  const double batches = std::ceil(static_cast<double>(recipe.train_size) / static_cast<double>(recipe.batch_size));
  const int64_t steps = PlannedSteps(recipe, recipe.epochs);
  RC_ASSERT(std::abs(static_cast<double>(steps) - recipe.epochs * batches) <= 0.5);
}

RC_GTEST_PROP(GraphProperty, KeysAreEqualForEqualSpecsAndEveryInputComesFirst, ()) {
  const ResolvedSpec resolved = Resolve(RandomSpec());
  const std::vector<PlannedTask> graph = GraphOf(resolved);
  const std::vector<PlannedTask> again = GraphOf(resolved);
  RC_ASSERT(graph.size() == again.size());
  std::map<Digest, size_t> seen;
  for (size_t i = 0; i < graph.size(); ++i) {
    RC_ASSERT(graph[i].key == again[i].key);
    RC_ASSERT(graph[i].memory_bytes >= 0);
    for (const auto& [role, input] : graph[i].def.inputs) {
      const auto* made = std::get_if<TaskOutputRef>(&input);
      if (made != nullptr) RC_ASSERT(seen.contains(made->derivation_key));
    }
    RC_ASSERT(seen.emplace(graph[i].key, i).second);
  }
}

RC_GTEST_PROP(GraphProperty, AWholeRunSucceedsWithOneAttemptPerTask, ()) {
  testing::SchedulerHarness harness;
  const WorkerId worker = harness.Register("a");
  const RunId run = harness.Submit(RandomSpec());
  harness.RunToEnd(worker);
  RC_ASSERT(harness.run(run).record.state == RunState::kSucceeded);
  for (const auto& [key, task] : harness.state().tasks) {
    RC_ASSERT(task.record.attempts == 1);
    RC_ASSERT(task.record.token == 1u);
  }
  RC_ASSERT(testing::CheckIndexes(harness.state()).empty());
}

RC_GTEST_PROP(GraphProperty, TheKindsOfARunAreThoseOfItsGraph, ()) {
  RunSpec spec = RandomSpec();
  spec.recipe.eval_ppl = *rc::gen::arbitrary<bool>();
  spec.recipe.eval_kl = *rc::gen::arbitrary<bool>();
  if (!*spec.recipe.eval_kl && *rc::gen::arbitrary<bool>()) spec.eval_texts.clear();
  spec.recipe.handoff = *rc::gen::element<std::string>("sequential", "independent", "relay");
  const bool has_a_relay = spec.recipe.method == Method::kBlockAp || spec.recipe.method == Method::kRtn;
  if (!has_a_relay && spec.recipe.handoff == Handoff::kRelay) spec.recipe.handoff = "sequential";
  const ResolvedSpec resolved = Resolve(spec);
  std::set<TaskKind> kinds;
  for (const PlannedTask& task : GraphOf(resolved)) kinds.insert(task.def.kind);
  // The scales of the only block, and GPTQ of it, need no other block's output.
  const bool reads_chain = kinds.contains(TaskKind::kSearchScales) || kinds.contains(TaskKind::kGptqBlock);
  if (reads_chain && resolved.model->num_hidden_layers == 1) {
    kinds.insert(TaskKind::kAdvance);
  }
  RC_ASSERT(kinds == KindsOfRun(resolved.spec, resolved.recipe));
}

// Any fleet, any width of blocks, any kinds pinned: what is accepted runs to its end without a lease that a device
// cannot hold or that its class may not execute; what is refused fits nowhere.
RC_GTEST_PROP(PlacementProperty, NoLeaseExceedsItsDeviceAndOnlyWhatFitsNowhereIsRefused, ()) {
  testing::SchedulerHarness harness;
  const testing::Device devices[] = {testing::kA10080, testing::kA10040, testing::kL4, testing::kCpu};
  std::vector<WorkerId> workers;
  const int fleet = *rc::gen::inRange(1, 6);
  for (int i = 0; i < fleet; ++i) {
    WorkerRecord worker = testing::WorkerOn(devices[*rc::gen::inRange(0, 4)], absl::StrCat("w", i));
    worker.cache_bytes = *rc::gen::element<int64_t>(0, 200, int64_t{1} << 33);
    // Some are told to leave memory to others: a class is not all alike.
    worker.memory_bytes /= *rc::gen::element<int64_t>(1, 1, 2, 8);
    if (*rc::gen::inRange(0, 4) == 0) worker.kinds = {TaskKind::kTrainBlock, TaskKind::kExport};
    workers.push_back(harness.Register(worker));
  }
  const int64_t batch_size = *rc::gen::element<int64_t>(1, 2, 4, 8, 32);
  RunSpec spec = *rc::gen::element(testing::WideSpec(4096, 11008, 32, 32, batch_size),
                                   testing::WideSpec(5120, 13824, 40, 40, batch_size),
                                   testing::WideSpec(8192, 28672, 64, 8, batch_size));
  spec.recipe.handoff = *rc::gen::element<std::string>("sequential", "independent", "relay");
  for (const TaskKind kind : {TaskKind::kAdvance, TaskKind::kTrainBlock, TaskKind::kEvaluatePpl}) {
    if (*rc::gen::inRange(0, 3) == 0) spec.kind_classes[kind] = devices[*rc::gen::inRange(0, 4)].base;
  }
  const ResolvedSpec resolved = Resolve(spec);
  // By the definition, kind by kind.
  bool waits = false;
  bool refused = false;
  for (const TaskKind kind : KindsOfRun(resolved.spec, resolved.recipe)) {
    int counting = 0;
    int fitting = 0;
    const auto named = spec.kind_classes.find(kind);
    for (const auto& [id, worker] : harness.state().workers) {
      if (!ExecutesKind(worker.record, kind)) continue;
      if (named != spec.kind_classes.end() && named->second != worker.record.numerics_class) continue;
      ++counting;
      if (worker.record.memory_bytes >= TaskMemoryBytes(kind, *resolved.model, resolved.recipe)) ++fitting;
    }
    if (counting > 0 && fitting == 0) refused = true;
    if (counting == 0 && IsPinnedKind(kind)) waits = true;
  }
  const Effects effects = harness.Do(SubmitRun{spec, ""});
  if (refused) {
    RC_ASSERT(effects.status.code() == absl::StatusCode::kFailedPrecondition);
    RC_ASSERT(std::string(MessageOf(effects.status)).find("are missing") != std::string::npos);
    return;
  }
  RC_ASSERT(effects.status.ok());
  const RunId run = std::get<RunReply>(effects.reply).run;
  RC_ASSERT((harness.run(run).record.state == RunState::kPending) == waits);
  bool any = true;
  while (any) {
    any = false;
    std::vector<std::pair<WorkerId, Lease>> leases;
    for (const WorkerId& id : workers) {
      const std::optional<Lease> lease = harness.LeaseTo(id);
      if (!lease.has_value()) continue;
      any = true;
      const WorkerRecord& worker = harness.state().workers.at(id).record;
      RC_ASSERT(harness.task(lease->task).memory_bytes <= worker.memory_bytes);
      RC_ASSERT(ExecutesKind(worker, lease->def->kind));
      const std::string& pin = lease->def->numerics_class;
      RC_ASSERT(pin.empty() == !IsPinnedKind(lease->def->kind));
      RC_ASSERT(pin.empty() || BaseOf(pin) == worker.numerics_class);
      const auto named = spec.kind_classes.find(lease->def->kind);
      RC_ASSERT(named == spec.kind_classes.end() || named->second == worker.numerics_class);
      leases.emplace_back(id, *lease);
    }
    for (const auto& [id, lease] : leases) RC_ASSERT(harness.Succeed(id, lease).ok());
  }
  // Kinds that are not pinned may have no worker here at all.
  const bool everywhere = std::all_of(workers.begin(), workers.end(), [&](const WorkerId& id) {
    return !harness.state().workers.at(id).record.kinds.empty();
  });
  if (!waits && !everywhere) RC_ASSERT(harness.run(run).record.state == RunState::kSucceeded);
  RC_ASSERT(testing::CheckIndexes(harness.state()).empty());
}

RC_GTEST_PROP(StorageProperty, WiderCodesAndSmallerGroupsNeverStoreLess, ()) {
  const LinearShape shape{.out_features = *rc::gen::inRange<int64_t>(1, 300),
                          .in_features = *rc::gen::inRange<int64_t>(1, 300)};
  const int64_t group = *rc::gen::inRange<int64_t>(1, shape.in_features + 1);
  int64_t last = 0;
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    const int64_t bytes = StorageOf(ExportFormat::kNone, shape, bits, group).stored_bytes;
    RC_ASSERT(bytes >= last);
    RC_ASSERT(bytes * 8 >= shape.in_features * shape.out_features * bits);
    last = bytes;
    RC_ASSERT(StorageOf(ExportFormat::kNone, shape, bits, -1).stored_bytes <= bytes);
  }
}

}  // namespace
}  // namespace lwq::coordinator
