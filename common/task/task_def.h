// SPDX-License-Identifier: Apache-2.0
// What a task is, as data: the one description the coordinator keys, stores and leases, and a worker executes.
//
// A task's identity is its derivation key: the digest of kind, version of the kind's code, parameters that can change
// the bytes, numerics class and the identities of its inputs. It is known before anything has run. Its action key is
// the same with the inputs' content digests, known when they exist. Neither holds a worker, a run, a priority or an
// attempt: equal key means equal bytes, whoever asks (docs/spec.md, "Identity and reuse").
//
// Pure values. Determinism: keys are SHA-256 over canonical JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "common/artifact/artifact.h"
#include "common/digest/digest.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "common/task/task_kind.h"

namespace lwq {

// An output of another task, by identity.
struct TaskOutputRef {
  Digest derivation_key;
  std::string output;  // role
  friend auto operator<=>(const TaskOutputRef&, const TaskOutputRef&) = default;
};

using TaskInput = std::variant<ArtifactRef, TaskOutputRef>;

struct TaskDef {
  TaskKind kind = TaskKind::kNoop;
  Json params = Json::object();  // the kind's parameter struct (task_params.h), everything that can change the bytes
  std::string numerics_class;    // numerics_class.h; "" where the result is the same on every machine
  std::map<std::string, TaskInput> inputs;  // role → what
};

Digest DerivationKeyOf(const TaskDef& def);
// `inputs` holds the content of every role of def.inputs. `lr_halvings` > 0 is another action.
Digest ActionKeyOf(const TaskDef& def, const std::map<std::string, ArtifactRef>& inputs, int lr_halvings);

// For the store. FromJson: DATA_LOSS naming `what`.
Json TaskDefToJson(const TaskDef& def);
StatusOr<TaskDef> TaskDefFromJson(const Json& json, std::string_view what);

}  // namespace lwq
