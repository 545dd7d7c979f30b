// SPDX-License-Identifier: Apache-2.0
// Which class of workers the tasks of each kind are pinned to.
//
// Kinds whose bits do not depend on the machine (Arithmetic::kSameEverywhere, task_kind.h) are pinned to none. The
// others have a base (numerics_class.h), one for all or one each; precision and threads come from the run's recipe, but
// sensitivity is always measured in float32. Pure values; thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/json/json.h"
#include "common/status/status.h"
#include "common/task/task_def.h"
#include "coordinator/plan/recipe/recipe.h"

namespace lwq::coordinator {

bool IsPinnedKind(TaskKind kind);

using KindBases = std::map<TaskKind, std::string>;

// The same base for every pinned kind; none where `base` is "".
KindBases UniformBases(const std::string& base);

// The full class of a task of the kind in a run of the pinned recipe; "" where its kind has no base.
std::string ClassOf(const KindBases& bases, TaskKind kind, const Recipe& recipe);

// For the store: an object from the kind's name to its base. FromJson: DATA_LOSS.
Json KindBasesToJson(const KindBases& bases);
StatusOr<KindBases> KindBasesFromJson(const Json& json);

}  // namespace lwq::coordinator
