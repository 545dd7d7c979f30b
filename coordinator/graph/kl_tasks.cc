// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/kl_tasks.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/task/task_params.h"
#include "coordinator/plan/recipe/eval_shards.h"

namespace lwq::coordinator {
namespace {

int64_t ShardsOf(const EvaluatedText& evaluated) {
  return EvalShards(evaluated.recipe, evaluated.text.files.size_bytes);
}

PlannedTask Pass(TaskKind kind, const EvaluatedText& evaluated, Json params, const std::string& title) {
  PlannedTask task;
  task.def.kind = kind;
  task.def.params = std::move(params);
  task.def.inputs = {{"model", evaluated.spec.model->files}, {"tokens", TaskOutputRef{evaluated.tokens, "tokens"}}};
  task.title = title;
  task.evaluated_text = evaluated.text.name;
  return task;
}

}  // namespace

std::string ShardTitle(int64_t shard, int64_t shards) {
  return shards == 1 ? "" : absl::StrCat(" (", shard + 1, "/", shards, ")");
}

ShardTasks AddReference(const EvaluatedText& evaluated, TaskList& tasks) {
  const int64_t shards = ShardsOf(evaluated);
  ShardTasks reference;
  for (int64_t shard = 0; shard < shards; ++shard) {
    const EvaluateReferenceParams params{.micro_batch = evaluated.recipe.batch_size, .shard = shard, .shards = shards};
    reference.push_back(tasks.Add(
        Pass(TaskKind::kEvaluateReference, evaluated, params.ToJson(),
             absl::StrCat("evaluate fp on ", evaluated.text.name, " as reference", ShardTitle(shard, shards)))));
  }
  return reference;
}

ShardTasks AddComparison(const EvaluatedText& evaluated, const ShardTasks& reference, const std::string& label,
                         const std::map<int64_t, TaskOutputRef>& blocks, TaskList& tasks) {
  const int64_t shards = std::ssize(reference);
  PlannedTask reduce;
  reduce.def.kind = TaskKind::kReduceKl;
  reduce.def.params = ReduceKlParams{.shards = shards}.ToJson();
  reduce.title = absl::StrCat("KL divergence of ", label, " on ", evaluated.text.name);
  reduce.purpose = TaskPurpose::kEvaluation;
  reduce.evaluated_model = label;
  reduce.evaluated_text = evaluated.text.name;
  ShardTasks compared;
  for (int64_t shard = 0; shard < shards; ++shard) {
    const EvaluateKlParams params{.micro_batch = evaluated.recipe.batch_size, .shard = shard, .shards = shards};
    PlannedTask task =
        Pass(TaskKind::kEvaluateKl, evaluated, params.ToJson(),
             absl::StrCat("compare ", label, " with fp on ", evaluated.text.name, ShardTitle(shard, shards)));
    task.def.inputs["reference"] = TaskOutputRef{reference[static_cast<size_t>(shard)], "hidden"};
    for (const auto& [block, checkpoint] : blocks) task.def.inputs[absl::StrCat("block.", block)] = checkpoint;
    compared.push_back(tasks.Add(std::move(task)));
    reduce.def.inputs[absl::StrCat("divergences.", shard)] = TaskOutputRef{compared.back(), "divergences"};
  }
  tasks.Add(std::move(reduce));
  return compared;
}

}  // namespace lwq::coordinator
