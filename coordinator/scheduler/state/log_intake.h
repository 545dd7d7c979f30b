// SPDX-License-Identifier: Apache-2.0
// Which of the log lines that a worker sends of an attempt are kept. Lines are numbered within the attempt, so that
// what is sent twice is taken once and what never came is counted; and no attempt fills the log of its run.
//
// Pure; thread-safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace lwq::coordinator {

class LogIntake {
 public:
  static constexpr int64_t kMaxLines = 1000;  // of an attempt
  static constexpr int64_t kMaxLinesPerMessage = 200;

  // `whole`: no line has been sent before the first that is taken in; else what came before is not known.
  explicit LogIntake(bool whole) : next_(whole ? std::optional<int64_t>(0) : std::nullopt) {}

  // Of `count` lines, of which the first has that number (none: the next), those from `begin` on, before `end`, are
  // kept.
  struct Kept {
    size_t begin = 0;
    size_t end = 0;
  };
  Kept Take(std::optional<int64_t> first, size_t count);

  // Lines that never came or were not kept.
  int64_t left_out() const { return left_out_; }

 private:
  std::optional<int64_t> next_;  // number of the next line; none: not known
  int64_t kept_ = 0;
  int64_t left_out_ = 0;
};

}  // namespace lwq::coordinator
