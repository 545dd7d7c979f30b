// SPDX-License-Identifier: Apache-2.0
// Executes one lease: an existing result if there is one, else the task, then publication. From wire message to wire
// message. What its thread logs meanwhile has the run, the task and the attempt as fields; what it logs while it
// executes the task goes to the monitor as well.
//
// Thread-safety: the compute thread only. Errors never leave: they become the report's failure with its cause.
#pragma once

#include <string>

#include "common/artifact/artifact.h"
#include "common/status/status.h"
#include "common/trace/otlp_exporter.h"
#include "lwqat/v1/worker_service.pb.h"
#include "worker/daemon/lease_checkpoints.h"
#include "worker/daemon/task_monitor.h"
#include "worker/qat/api/learnt_memory.h"

namespace lwq::worker {

struct RunnerOptions {
  ArtifactStore* store = nullptr;
  BlobSource* blobs = nullptr;
  std::string device = "cpu";
  std::string scratch_directory;  // emptied before each task
  OtlpExporter* spans = nullptr;  // null: none are sent; else must outlive every call
  // When tasks are saved in the middle; null: never, and none goes on where another was. Must outlive every call.
  CheckpointTimer* checkpoint_timer = nullptr;
  CheckpointObserver on_checkpoint;
  qat::LearntMemory* learnt = nullptr;  // null: nothing is learnt; else must outlive every call
};

// As messages say it.
void FillCheckpoint(const TaskMonitor::Checkpoint& checkpoint, lwqat::v1::Checkpoint& message);

// A report without worker_id and lease_next.
lwqat::v1::ReportTaskRequest RunLease(const lwqat::v1::Lease& lease, const RunnerOptions& options,
                                      TaskMonitor& monitor);

// In place of a report that the coordinator refused: a failure of the same task under the same token that says so, and
// nothing else that could be refused.
lwqat::v1::ReportTaskRequest RefusalReport(const lwqat::v1::ReportTaskRequest& refused, const Status& refusal);

}  // namespace lwq::worker
