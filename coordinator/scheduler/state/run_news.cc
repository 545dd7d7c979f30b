// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/run_news.h"

#include <utility>

namespace lwq::coordinator {

void RunNews::Changed(const RunId& run, uint64_t before, uint64_t now) {
  runs_.erase(before);
  runs_.emplace_hint(runs_.end(), now, run);
}

void RunNews::Deleted(Deletion deletion, uint64_t before) {
  runs_.erase(before);
  deletions_.push_back(std::move(deletion));
  if (deletions_.size() <= kDeletionsKept) return;
  forgotten_ = deletions_.front().revision;
  deletions_.pop_front();
}

}  // namespace lwq::coordinator
