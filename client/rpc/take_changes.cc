// SPDX-License-Identifier: Apache-2.0
#include "client/rpc/take_changes.h"

#include <algorithm>
#include <utility>

namespace lwq::client {

void TakeChanges(lwqat::v1::WatchRunResponse& message, lwqat::v1::Run* run) {
  lwqat::v1::Run before = std::move(*run);
  *run = std::move(*message.mutable_run());
  if (!message.is_change()) return;
  run->mutable_spec()->Swap(before.mutable_spec());
  if (!run->has_plan()) {
    run->mutable_plan()->Swap(before.mutable_plan());
    run->mutable_sensitivity()->Swap(before.mutable_sensitivity());
  }
  google::protobuf::RepeatedPtrField<lwqat::v1::Task> changed;
  changed.Swap(run->mutable_tasks());
  run->mutable_tasks()->Swap(before.mutable_tasks());
  for (int i = 0; i < std::min(changed.size(), message.task_positions_size()); ++i) {
    const int position = message.task_positions(i);
    while (run->tasks_size() <= position && run->tasks_size() < run->tasks_total()) run->add_tasks();
    if (position >= 0 && position < run->tasks_size()) run->mutable_tasks(position)->Swap(&changed[i]);
  }
}

}  // namespace lwq::client
