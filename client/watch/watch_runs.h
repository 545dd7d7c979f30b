// SPDX-License-Identifier: Apache-2.0
// Watches several runs at once and hands every change to one view on the calling thread.
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

// A view of more runs counts them; one of fewer shows each with its tasks.
inline constexpr size_t kRunsShownWhole = 6;

// Each run on a stream of its own, whole. Returns the runs in their terminal states, or the first error of any stream
// (the others are ended).
StatusOr<std::vector<lwqat::v1::Run>> WatchRuns(RunApi* api, const std::vector<std::string>& run_ids, RunView* view);

// The same of runs that are all of one sweep; where they are too many to be shown whole, one stream tells of all: the
// view sees them without plans, and with those of their tasks that are being executed. Sweep "": they are not of one.
StatusOr<std::vector<lwqat::v1::Run>> WatchTogether(RunApi* api, const std::string& sweep_id,
                                                    const std::vector<std::string>& run_ids, RunView* view);

}  // namespace lwq::client
