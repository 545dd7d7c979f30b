// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/process_memory.h"

#include <fstream>
#include <string>

namespace lwq::worker {

int64_t PeakRssBytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word == "VmHWM:") {
      int64_t kib = 0;
      status >> kib;
      return kib * 1024;
    }
  }
  return 0;
}

void ResetPeakRss() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

}  // namespace lwq::worker
