// SPDX-License-Identifier: Apache-2.0
// What a client that watched shows in order to go on where it was: what it watched, and up to which revision it knows
// it. Revisions count from each start of a coordinator, whose term tells one start from the other.
#pragma once

#include <cstdint>
#include <string>

#include "common/status/status.h"
#include "coordinator/store/store.h"

namespace lwq::coordinator {

// What is watched where it is all runs.
inline constexpr char kAllRuns[] = "runs";

struct ResumeToken {
  std::string id;  // of a run or a sweep, or kAllRuns
  Term term;
  uint64_t revision = 0;
  friend bool operator==(const ResumeToken&, const ResumeToken&) = default;
};

std::string ToText(const ResumeToken& token);
// INVALID_ARGUMENT unless ToText made it for `id`.
StatusOr<ResumeToken> ParseResumeToken(const std::string& text, const std::string& id);

}  // namespace lwq::coordinator
