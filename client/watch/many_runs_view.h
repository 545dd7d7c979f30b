// SPDX-License-Identifier: Apache-2.0
// Many runs at once: how far they are together, which are on, and what became of those that ended.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "client/base/console.h"
#include "client/watch/watch_runs.h"

namespace lwq::client {

// "12 of 36 runs ended, 1 failed; 24 running; 410 of 1200 tasks". Tasks are those of the runs that have told of any.
std::string ManyRunsText(const std::vector<lwqat::v1::Run>& runs);

class ManyRunsView : public RunView {
 public:
  enum class Lines { kLive, kOut, kErr };
  // `lines`: redrawn in place with ended runs on standard error, or all lines on one of the streams. The console must
  // outlive this.
  ManyRunsView(Console* console, Lines lines) : console_(console), lines_(lines) {}

  void OnChange(const std::vector<lwqat::v1::Run>& runs, size_t changed) override;
  void OnTick(const std::vector<lwqat::v1::Run>& runs) override;
  void OnConnection(bool connected) override;
  void OnEnd(const std::vector<lwqat::v1::Run>& runs) override;

 private:
  void Print(const std::string& line);
  void Draw(const std::vector<lwqat::v1::Run>& runs);

  Console* console_;
  const Lines lines_;
  std::set<size_t> ended_;  // places of runs that were told of
  bool waits_ = false;      // it was said that no worker fits
};

}  // namespace lwq::client
