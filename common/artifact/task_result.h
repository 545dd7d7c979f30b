// SPDX-License-Identifier: Apache-2.0
// What an action made: the record at results/<action key>, written once by one conditional put.
//
// This is the last fence: even two workers that both believe they hold the lease publish one result, and the second
// adopts the first's. Canonical JSON {"digest","metrics":{…},"outputs":{role:{"digest","size_bytes"}}}, where the
// outer digest is the SHA-256 of the same text without it: metrics have no other copy that a change would show against.
#pragma once

#include <map>
#include <string>

#include "common/artifact/artifact.h"
#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

struct TaskResult {
  std::map<std::string, ArtifactRef> outputs;  // role → artifact
  Json metrics = Json::object();               // small numbers; the shape is the task kind's (task_params.h)
};

std::string ResultKey(const Digest& action_key);

// NOT_FOUND if nobody has published one; DATA_LOSS when the record is not exactly what was published.
StatusOr<TaskResult> ReadTaskResult(ObjectStore& store, const Digest& action_key);
// Publishes `result`, or returns the one that was already there (metrics that describe effort, such as time, may
// differ; outputs that differ are DATA_LOSS: the action was not deterministic).
StatusOr<TaskResult> PublishTaskResult(ObjectStore& store, const Digest& action_key, const TaskResult& result);

Json TaskResultToJson(const TaskResult& result);
StatusOr<TaskResult> TaskResultFromJson(const Json& json, std::string_view what);

}  // namespace lwq
