// SPDX-License-Identifier: Apache-2.0
// What `lwq top` shows: workers and runs as they are, as many as fit. Pure: lines from (state, view); the same input
// gives the same bytes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lwqat/v1/run.pb.h"
#include "lwqat/v1/run_service.pb.h"

namespace lwq::client {

struct TopState {
  std::string address;    // of the coordinator
  bool connected = true;  // whether it answers
  bool loaded = false;    // all runs that were there have come
  std::map<std::string, lwqat::v1::Run> runs;
  std::vector<lwqat::v1::WorkerInfo> workers;
};

// What a message of WatchRuns changes.
void TakeRuns(const lwqat::v1::WatchRunsResponse& message, TopState* state);

struct TopView {
  int columns = 100;
  int rows = 40;
  bool utf8 = true;
  bool ended = false;  // runs that have ended are shown as well
  int skipped = 0;     // runs that were scrolled past
  double now_unix_s = 0;
};

struct TopLine {
  enum class Tone { kPlain, kHead, kSoft, kGood, kBad, kWarn };
  std::string text;
  Tone tone = Tone::kPlain;
  friend bool operator==(const TopLine&, const TopLine&) = default;
};

// At most view.rows lines, each at most view.columns wide. Runs that are executed come first, then those that wait,
// then those that have ended; in each the newest first.
std::vector<TopLine> RenderTop(const TopState& state, const TopView& view);

}  // namespace lwq::client
