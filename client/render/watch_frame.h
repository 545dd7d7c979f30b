// SPDX-License-Identifier: Apache-2.0
// What `lwq watch` draws: a frame of one run for a terminal, and the lines that tell one change from the next
// elsewhere.
//
// Pure: text from (state, width, height, now). The same input gives the same bytes, so frames are tested as golden
// texts.
#pragma once

#include <string>
#include <vector>

#include "lwqat/v1/run.pb.h"

namespace lwq::client {

struct FrameOptions {
  int columns = 100;
  int rows = 40;  // a frame has at most this many lines
  bool utf8 = true;
  double now_unix_s = 0;
};

// A line for the run, one for the measuring of sensitivity, one per block or unit of blocks (its training, or what
// stands for it) in the order of training, one per other task that runs or failed. Blocks that do not fit are folded:
// finished ones first, then those that wait.
std::vector<std::string> RenderRunFrame(const lwqat::v1::Run& run, const FrameOptions& options);

// One line per task that changed its state between two states of a run, and one for the run's own changes. The
// measuring of sensitivity gets a line for each tenth of it, then one each for what it found: the extremes, the settled
// plan, the order.
std::vector<std::string> DescribeChanges(const lwqat::v1::Run& before, const lwqat::v1::Run& after);

}  // namespace lwq::client
