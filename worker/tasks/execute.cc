// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/task.h"

namespace lwq::worker {

StatusOr<TaskOutcome> Execute(const Task& task, const TaskContext& context) {
  return VisitTaskKind(task.kind, [&](auto kind) { return ExecuteKind<kind()>(task, context); });
}

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kNoop>(const Task&, const TaskContext&) {
  return TaskOutcome{};
}

StatusOr<ArtifactRef> InputOf(const Task& task, std::string_view role) {
  const auto it = task.inputs.find(std::string(role));
  if (it == task.inputs.end()) {
    return absl::InternalError(absl::StrCat(TaskKindName(task.kind), " came without its input '", role, "'"));
  }
  return it->second;
}

Status CheckCancelled(const qat::CancelToken& cancel) {
  if (cancel.cancelled.load(std::memory_order_relaxed)) return absl::CancelledError("stopped on request");
  return absl::OkStatus();
}

StatusOr<std::optional<std::string>> FindLostInput(const Task& task, ArtifactStore& store,
                                                   const qat::CancelToken& cancel) {
  const auto intact = [&](const BlobRef& blob) -> StatusOr<bool> {
    LWQ_RETURN_IF_ERROR(CheckCancelled(cancel));
    const Status status = store.Fetch(blob).status();
    if (status.ok()) return true;
    if (absl::IsDataLoss(status)) {
      LWQ_RETURN_IF_ERROR(store.store()->Delete(BlobKey(blob.digest)));
      return false;
    }
    if (absl::IsNotFound(status)) return false;
    return status;
  };
  for (const auto& [role, artifact] : task.inputs) {
    const StatusOr<Manifest> manifest = LoadManifest(store, artifact);
    if (absl::IsDataLoss(manifest.status())) LWQ_RETURN_IF_ERROR(store.store()->Delete(BlobKey(artifact.digest)));
    if (absl::IsDataLoss(manifest.status()) || absl::IsNotFound(manifest.status())) return role;
    LWQ_RETURN_IF_ERROR(manifest.status());
    for (const Part& part : manifest->parts) {
      LWQ_ASSIGN_OR_RETURN(const bool ok, intact(part.blob));
      if (!ok) return role;
    }
  }
  return std::nullopt;
}

}  // namespace lwq::worker
