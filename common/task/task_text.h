// SPDX-License-Identifier: Apache-2.0
// The canonical JSON of a task's definition, written straight into one string: what its keys are digests of, and what
// the store keeps. Equal to CanonicalJson of the trees that docs/formats.md describes, which tests hold it to.
//
// Pure; thread-safe. Not here: digests and reading back (task_def.h).
#pragma once

#include <map>
#include <string>

#include "common/task/task_def.h"

namespace lwq {

// What the derivation key is the digest of.
std::string DerivationText(const TaskDef& def);
// What the action key is the digest of. `inputs` holds the content of every role of def.inputs.
std::string ActionText(const TaskDef& def, const std::map<std::string, ArtifactRef>& inputs, int lr_halvings);
// CanonicalJson(TaskDefToJson(def)).
std::string StoredText(const TaskDef& def);

}  // namespace lwq
