// SPDX-License-Identifier: Apache-2.0
// Pages of the dashboard as the coordinator sees them: their streams over HTTP, which somebody reads and nobody looks
// at.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace lwq::bench {

class Dashboards {
 public:
  // So many pages that show a run: each has a stream of all runs and one of that run, in Protobuf, two messages a
  // second at most. `web`: HOST:PORT.
  Dashboards(const std::string& web, const std::string& run_id, int pages);
  // Hangs up.
  ~Dashboards();

  // Until nothing more comes: all pages have what there is.
  void AwaitLoaded() const;
  int64_t bytes() const { return bytes_; }

 private:
  void Read();

  std::vector<int> sockets_;
  std::atomic<int64_t> bytes_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> quiet_ = false;
  std::thread reader_;
};

}  // namespace lwq::bench
