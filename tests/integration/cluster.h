// SPDX-License-Identifier: Apache-2.0
// A coordinator and workers as real processes over real gRPC, in a folder of their own, for tests that kill them.
//
// The binaries are those of this build. Every wait has a deadline far above what the work needs; nothing is asserted
// about time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/status/status.h"
#include "lwqat/v1/run_service.grpc.pb.h"
#include "tests/testing/process.h"

namespace lwq::test {

// Far more than any run of these tests takes.
inline constexpr double kDeadlineSeconds = 120;

struct ClusterOptions {
  int workers = 2;
  int max_threads = 1;  // of a worker
  double lease_seconds = 1.5;
  double heartbeat_seconds = 0.2;
  int64_t activation_bytes = int64_t{1} << 40;
  std::string objects_uri = {};                      // empty: file:// and objects_directory()
  std::string store_uri = {};                        // empty: sqlite: below the directory
  std::vector<std::string> worker_environment = {};  // "NAME=value", beside this process's own
  std::vector<std::string> more_flags = {};          // of coordinator and workers
  std::vector<std::string> coordinator_flags = {};   // of the coordinator alone
  std::vector<std::string> worker_flags = {};        // of workers alone
};

class Cluster {
 public:
  // `directory` must exist; an earlier cluster's state in it is taken up.
  Cluster(std::string directory, ClusterOptions options);

  void StartCoordinator();
  void StartWorker(int index);
  void StartAll();
  // SIGKILL; a no-op when it does not run.
  void KillCoordinator();
  void KillWorker(int index);
  Process& worker(int index) { return workers_[static_cast<size_t>(index)]; }
  Process& coordinator() { return coordinator_; }

  const std::string& address() const { return address_; }
  // What workers that are started from now on, and Submit, are given as --coordinator instead of the address.
  void SetCoordinators(std::string addresses) { coordinators_ = std::move(addresses); }
  const std::string& directory() const { return directory_; }
  std::string objects_directory() const { return directory_ + "/objects"; }

  // `lwq submit RUN.yaml --json`: the run's id. CHECKs that it worked.
  std::string Submit(const std::string& run_file);
  // Follows the run to its terminal state over coordinator restarts; `seen` (may be null) is called with every state of
  // the run that is sent. DEADLINE_EXCEEDED after `seconds`.
  StatusOr<lwqat::v1::Run> Wait(const std::string& run_id, double seconds,
                                const std::function<void(const lwqat::v1::Run&)>& seen);
  // The run at its end; CHECKs that it succeeded.
  lwqat::v1::Run Finish(const std::string& run_id);
  StatusOr<lwqat::v1::Run> Get(const std::string& run_id);
  lwqat::v1::RunService::Stub& stub() { return *stub_; }
  // Everything the processes logged, for failure messages.
  std::string Logs() const;

 private:
  std::string directory_;
  ClusterOptions options_;
  std::string address_;
  std::string coordinators_;  // "": address_
  Process coordinator_;
  std::vector<Process> workers_;
  std::unique_ptr<lwqat::v1::RunService::Stub> stub_;
};

// Path of one of this build's programs.
std::string Binary(const std::string& name);

// Tasks of `kind` ("" for any) that this run had to execute itself.
int Executed(const lwqat::v1::Run& run, const std::string& kind);

}  // namespace lwq::test
