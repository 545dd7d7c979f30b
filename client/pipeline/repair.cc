// SPDX-License-Identifier: Apache-2.0
#include "client/pipeline/repair.h"

#include <algorithm>
#include <optional>

#include "common/artifact/task_result.h"
#include "common/json/json.h"

namespace lwq::client {
namespace {

// What the coordinator remembers of the task's result; none where it does not any more.
StatusOr<std::optional<TaskResult>> RememberedResult(const lwqat::v1::Run& run, const std::string& task_key) {
  const auto task = std::find_if(run.tasks().begin(), run.tasks().end(),
                                 [&](const lwqat::v1::Task& one) { return one.key() == task_key; });
  if (task == run.tasks().end() || task->state() != lwqat::v1::TASK_STATE_SUCCEEDED) return std::nullopt;
  TaskResult result;
  for (const auto& [role, output] : task->outputs()) {
    LWQ_ASSIGN_OR_RETURN(const Digest digest, Digest::FromHex(output.digest()));
    result.outputs[role] = {digest, output.size_bytes()};
  }
  if (!task->metrics_json().empty()) {
    LWQ_ASSIGN_OR_RETURN(result.metrics, ParseJson(task->metrics_json(), "metrics"));
  }
  return result;
}

Status WriteRecord(RunApi* api, ObjectStore* objects, const RepairPlan::Record& record, Repaired& repaired) {
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Run run, api->GetRun(record.run_id));
  LWQ_ASSIGN_OR_RETURN(const std::optional<TaskResult> result, RememberedResult(run, record.task_key));
  if (!result.has_value()) return absl::OkStatus();
  LWQ_RETURN_IF_ERROR(objects->Delete(ResultKey(record.action)));
  LWQ_RETURN_IF_ERROR(PublishTaskResult(*objects, record.action, *result).status());
  ++repaired.records_written;
  return absl::OkStatus();
}

}  // namespace

StatusOr<Repaired> Repair(RunApi* api, ObjectStore* objects, const RepairPlan& plan) {
  Repaired repaired;
  for (const RepairPlan::Record& record : plan.records) {
    LWQ_RETURN_IF_ERROR(WriteRecord(api, objects, record, repaired));
  }
  ArtifactStore artifacts(objects);
  for (const Digest& blob : plan.remove_blobs) {
    LWQ_ASSIGN_OR_RETURN(const bool removed, artifacts.DropIfDamaged(blob));
    if (removed) ++repaired.blobs_removed;
  }
  if (plan.lost.empty()) return repaired;
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::ReportLostArtifactsResponse reported, api->ReportLostArtifacts(plan.lost));
  repaired.made_again = reported.made_again();
  repaired.given_up = reported.given_up();
  return repaired;
}

}  // namespace lwq::client
