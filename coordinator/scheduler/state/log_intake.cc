// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/log_intake.h"

#include <algorithm>

namespace lwq::coordinator {

LogIntake::Kept LogIntake::Take(std::optional<int64_t> first, size_t count) {
  // What a message says of itself is bounded, whoever wrote it.
  constexpr int64_t kMaxNumber = int64_t{1} << 40;
  const auto lines = static_cast<int64_t>(count);
  const int64_t begin = std::clamp<int64_t>(first.value_or(next_.value_or(0)), 0, kMaxNumber);
  const int64_t expected = next_.value_or(begin);
  const int64_t known = std::clamp<int64_t>(expected - begin, 0, lines);
  const int64_t room = std::min(kMaxLines - kept_, kMaxLinesPerMessage);
  const int64_t taken = std::min(lines - known, room);
  left_out_ += std::max<int64_t>(0, begin - expected) + (lines - known - taken);
  kept_ += taken;
  next_ = std::max(expected, begin + lines);
  return {static_cast<size_t>(known), static_cast<size_t>(known + taken)};
}

}  // namespace lwq::coordinator
