// SPDX-License-Identifier: Apache-2.0
// What --retain says of one kind of results: "KIND=TIME". Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/status/status.h"
#include "coordinator/scheduler/state/kept_artifacts.h"

namespace lwq::coordinator {

struct Retention {
  KeptKind kind = KeptKind::kCheckpoint;
  std::optional<int64_t> retain_ms;  // none: for ever
};

// TIME is a whole number and one of s, m, h and d, or "forever". INVALID_ARGUMENT: what is wrong, and an example.
StatusOr<Retention> ParseRetainFlag(std::string_view text);

}  // namespace lwq::coordinator
