// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/prepared_graph.h"

#include <map>
#include <utility>

#include "common/task/task_text.h"

namespace lwq::coordinator {
namespace {

Digest FirstActionKey(const TaskDef& def) {
  std::map<std::string, ArtifactRef> inputs;
  for (const auto& [role, input] : def.inputs) {
    const auto* leaf = std::get_if<ArtifactRef>(&input);
    if (leaf == nullptr) return Digest();
    inputs.emplace(role, *leaf);
  }
  return ActionKeyOf(def, inputs, 0);
}

PreparedTask PrepareTask(PlannedTask planned) {
  PreparedTask task;
  task.record.key = planned.key;
  task.record.memory_bytes = planned.memory_bytes;
  task.record.def = std::make_shared<const TaskDef>(std::move(planned.def));
  task.in_run = {.key = planned.key,
                 .title = std::move(planned.title),
                 .block = planned.block,
                 .depth = planned.depth,
                 .purpose = planned.purpose,
                 .evaluated_model = std::move(planned.evaluated_model),
                 .evaluated_text = std::move(planned.evaluated_text),
                 .shared = false,
                 .needs_blocks = planned.needs_blocks};
  task.def_text = std::make_shared<const std::string>(StoredText(*task.record.def));
  task.action_key = FirstActionKey(*task.record.def);
  return task;
}

}  // namespace

PreparedGraph PrepareGraph(RunGraph graph) {
  PreparedGraph prepared;
  prepared.plan = std::move(graph.plan);
  prepared.pending = std::move(graph.pending);
  prepared.tasks.reserve(graph.tasks.size());
  for (PlannedTask& task : graph.tasks) prepared.tasks.push_back(PrepareTask(std::move(task)));
  return prepared;
}

}  // namespace lwq::coordinator
