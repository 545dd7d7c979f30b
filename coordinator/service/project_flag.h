// SPDX-License-Identifier: Apache-2.0
// What --project says of one project: "NAME=WEIGHT[:MAX_RUNNING[:MAX_STORED]]", where MAX_RUNNING may be left out
// between its colons, and MAX_STORED is a size as 200GiB. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "common/status/status.h"
#include "coordinator/scheduler/state/project_shares.h"

namespace lwq::coordinator {

// INVALID_ARGUMENT: what is wrong, and an example. The name may be empty: that of runs without a project.
StatusOr<std::pair<std::string, ProjectOptions>> ParseProjectFlag(std::string_view text);

// What --project-inputs says: "NAME=SIZE", bytes of inputs that the runs of a project may name. As above.
StatusOr<std::pair<std::string, int64_t>> ParseProjectInputsFlag(std::string_view text);

}  // namespace lwq::coordinator
