// SPDX-License-Identifier: Apache-2.0
// A task in a worker's hands: Execute(task, context) → result.
//
// A task is a function of its inputs and parameters: no global state, no clock, no network but the object store
// (docs/architecture.md, "Rules"). The same call runs in the daemon and in a test. Call from the process's one compute
// thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/artifact/artifact.h"
#include "common/artifact/task_result.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "common/task/task_def.h"
#include "worker/qat/api/checkpoints.h"
#include "worker/qat/api/execution.h"
#include "worker/qat/api/learnt_memory.h"

namespace lwq::worker {

struct Task {
  TaskKind kind = TaskKind::kNoop;
  Json params = Json::object();
  std::map<std::string, ArtifactRef> inputs;  // role → content
  int lr_halvings = 0;
};

struct TaskContext {
  ArtifactStore* store = nullptr;  // where outputs go
  BlobSource* blobs = nullptr;     // where inputs come from: the store behind a local cache
  qat::Execution execution;
  std::string scratch_directory;  // empty at the start; the caller removes what is left
  qat::ProgressSink progress;
  const qat::CancelToken* cancel = nullptr;
  qat::Checkpoints* checkpoints = nullptr;  // of kinds that can go on where an earlier attempt was; null: none
  qat::LearntMemory* learnt = nullptr;      // of kinds that can do with less memory; null: nothing
};

// The loss stopped being finite: not an error of the program, so it is told apart from one.
struct Diverged {
  std::string message;  // block, epoch, step, bits, learning rates, loss
};

struct TaskOutcome {
  TaskResult result;
  std::optional<Diverged> diverged;  // then `result` is empty
};

// Errors: INVALID_ARGUMENT (bad parameters or inputs), CANCELLED, NOT_FOUND and DATA_LOSS (an input's blob),
// UNAVAILABLE, RESOURCE_EXHAUSTED (memory), INTERNAL.
StatusOr<TaskOutcome> Execute(const Task& task, const TaskContext& context);

// The input of that role; INTERNAL when the coordinator did not send it.
StatusOr<ArtifactRef> InputOf(const Task& task, std::string_view role);

// CANCELLED once somebody asked to stop: for loops outside worker/qat.
Status CheckCancelled(const qat::CancelToken& cancel);

// After NOT_FOUND or DATA_LOSS: the first role whose manifest or parts are missing or damaged, or nothing if all are
// intact. Reads everything; a damaged blob is deleted from the store, since equal content is never written over.
// CANCELLED between blobs.
StatusOr<std::optional<std::string>> FindLostInput(const Task& task, ArtifactStore& store,
                                                   const qat::CancelToken& cancel);

// What a kind does: one file each. A kind without its specialization does not link.
template <TaskKind kKind>
StatusOr<TaskOutcome> ExecuteKind(const Task& task, const TaskContext& context) = delete;
#define LWQ_TASK_KIND(enumerator, name, version, Params, outputs, arithmetic, main_rank) \
  template <>                                                                            \
  StatusOr<TaskOutcome> ExecuteKind<TaskKind::enumerator>(const Task& task, const TaskContext& context);
#include "common/task/task_kinds.inc"

}  // namespace lwq::worker
