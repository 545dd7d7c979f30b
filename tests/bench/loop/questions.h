// SPDX-License-Identifier: Apache-2.0
// What is asked of a coordinator while it serves its workers: 50 watchers, plans and schedules without pause. Asked by
// a process of its own, so that its share of the processors can be told and lowered.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/testing/process.h"

namespace lwq::bench {

struct Answered {
  int64_t messages = 0, plans = 0, schedules = 0;
};

class Questions {
 public:
  // `program` is this program; `watched` are watched one after another, as they end; `finished` is a run to schedule.
  Questions(const std::string& program, const std::string& address, const std::vector<std::string>& watched,
            const std::string& finished);
  double CpuSeconds() const;
  Answered StopAndCount();

 private:
  test::TemporaryDirectory directory_;
  std::string counts_path_;
  test::Process process_;
};

// The other process: asks until SIGTERM, then writes what was answered into the file. Arguments: counts file, address,
// finished run, watched runs. Its exit code.
int AskUntilTold(const std::vector<std::string>& arguments);

}  // namespace lwq::bench
