// SPDX-License-Identifier: Apache-2.0
// What became of the trials of a search, from the messages of their sweeps and runs. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/run_file/tune_file.h"
#include "common/search/plan_search.h"
#include "lwqat/v1/run.pb.h"
#include "lwqat/v1/sweep.pb.h"

namespace lwq::client {

struct TuneTrial {
  int64_t batch = 0;  // from 0
  std::string sweep_id;
  std::string run_id;
  search::SearchTrial
      result;          // its cost in device-seconds, its resource the blocks that it trained until it was measured
  int64_t blocks = 0;  // of the model; 0 where the run was never planned
  std::string error;   // one line, of a trial that failed
};

// Whether the run neither is executed nor waits for it.
bool IsOver(lwqat::v1::RunState state);

// Counts the device time of tasks, each distinct one once.
class TaskLedger {
 public:
  // Seconds of the run's tasks that were executed for it, and for no run that was added before. A task that several
  // runs wait for is executed for the first of them.
  double Add(const lwqat::v1::Run& run);
  // Seconds of tasks that no run added had to execute: others had done them before.
  double reused_seconds() const;

 private:
  std::set<std::string> executed_;
  std::map<std::string, double> reused_;
};

// The trial of a run that is over, and of the member of its sweep; without its place in the search and its cost. With
// halving (of the sweep as the coordinator has it) it is measured at the last rung it got to, whatever became of it
// after that; else where it has succeeded:
//   block_loss   the best validation loss of the block that was trained last
//   perplexity   of the quantized model on the run's first text
TuneTrial TrialOf(const TuneRequest& tune, const lwqat::v1::Sweep& sweep, const lwqat::v1::Sweep::Member& member,
                  const lwqat::v1::Run& run);

}  // namespace lwq::client
