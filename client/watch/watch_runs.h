// SPDX-License-Identifier: Apache-2.0
// Watches several runs at once, each on its own stream, and hands every change to one view on the calling thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "client/rpc/run_api.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::client {

// What shows runs as they change. Called on one thread.
class RunView {
 public:
  virtual ~RunView() = default;
  // One run changed; `runs` is the latest state of all, in the order watched (a default Run where none has come yet).
  virtual void OnChange(const std::vector<lwqat::v1::Run>& runs, size_t changed) = 0;
  // About once a second while nothing changes.
  virtual void OnTick(const std::vector<lwqat::v1::Run>& runs) = 0;
  virtual void OnConnection(bool connected) = 0;
  virtual void OnEnd(const std::vector<lwqat::v1::Run>& runs) = 0;
};

// Returns the runs in their terminal states, or the first error of any stream (the others are ended).
StatusOr<std::vector<lwqat::v1::Run>> WatchRuns(RunApi* api, const std::vector<std::string>& run_ids, RunView* view);

}  // namespace lwq::client
