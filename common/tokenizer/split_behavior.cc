// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/split_behavior.h"

#include <map>
#include <string>

namespace lwq {

StatusOr<SplitBehavior> ParseSplitBehavior(std::string_view name, std::string_view what) {
  static const std::map<std::string_view, SplitBehavior> kNames = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous}};
  const auto it = kNames.find(name);
  if (it != kNames.end()) return it->second;
  return absl::FailedPreconditionError(absl::StrCat(
      what, " with behavior '", name,
      "' is not supported (supported: Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous)"));
}

bool PieceMaker::Joins(bool is_match) const {
  if (!pending_) return false;
  switch (behavior_) {
    case SplitBehavior::kMergedWithPrevious:
      return is_match && !last_is_match_;
    case SplitBehavior::kMergedWithNext:
      return !is_match && last_is_match_;
    case SplitBehavior::kContiguous:
      return is_match == last_is_match_;
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      return false;
  }
  return false;
}

Status PieceMaker::Add(size_t begin, size_t end, bool is_match) {
  if (Joins(is_match)) {
    end_ = end;
  } else {
    LWQ_RETURN_IF_ERROR(Finish());
    pending_ = behavior_ != SplitBehavior::kRemoved || !is_match;
    begin_ = begin;
    end_ = end;
  }
  last_is_match_ = is_match;
  return absl::OkStatus();
}

Status PieceMaker::Finish() {
  const bool hand_out = pending_ && begin_ != end_;
  pending_ = false;
  return hand_out ? visit_(begin_, end_) : absl::OkStatus();
}

}  // namespace lwq
