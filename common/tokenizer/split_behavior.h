// SPDX-License-Identifier: Apache-2.0
// What becomes of the matches when a text is split at them: the five behaviours of the tokenizers library.
//
// A text is given as its segments in order, matches and what lies between; the pieces come out in order. Empty segments
// count as neighbours but are no pieces. One text at a time, one thread.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "common/status/status.h"

namespace lwq {

enum class SplitBehavior {
  kRemoved,             // matches are dropped
  kIsolated,            // every segment is a piece
  kMergedWithPrevious,  // a match joins the gap before it
  kMergedWithNext,      // a match joins the gap behind it
  kContiguous,          // neighbouring matches are one piece
};

// FAILED_PRECONDITION names a behaviour that is none of these; `what` is its place.
StatusOr<SplitBehavior> ParseSplitBehavior(std::string_view name, std::string_view what);

class PieceMaker {
 public:
  using Visit = absl::FunctionRef<Status(size_t begin, size_t end)>;
  PieceMaker(SplitBehavior behavior, Visit visit) : behavior_(behavior), visit_(visit) {}

  // The next segment; errors are the visitor's.
  Status Add(size_t begin, size_t end, bool is_match);
  // Hands out what is still held back.
  Status Finish();

 private:
  bool Joins(bool is_match) const;

  SplitBehavior behavior_;
  Visit visit_;
  bool pending_ = false;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool last_is_match_ = false;
};

}  // namespace lwq
