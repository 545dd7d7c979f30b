// SPDX-License-Identifier: Apache-2.0
// A coordinator and workers on this machine, as child processes of lwq that share nothing but gRPC and the object
// store.
//
// Every process is started again when it dies (SupervisedProcess): the coordinator on the same port and store, so that
// workers and clients find it again. The state directory must outlive the cluster.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/base/console.h"
#include "client/base/interrupt.h"
#include "client/local/state_directory.h"
#include "client/local/supervised_process.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"

namespace lwq::client {

class LocalCluster {
 public:
  struct Options {
    std::string binary_directory;  // holds lwq-coordinator and lwq-worker
    int workers = 0;
    std::string device = "cpu";
    int max_threads = 1;                      // of each worker
    int64_t memory_limit_bytes = 0;           // of each worker; 0: the worker's own default
    int64_t cache_bytes = 0;                  // the same
    std::optional<int64_t> activation_bytes;  // of the coordinator; absent: its own default
    std::string dashboard;                    // loopback HOST:PORT on which it is served; "": it is not
    std::string log_level = "info";
    std::chrono::milliseconds start_timeout{30'000};
    bool quiet = false;  // no line about starts
  };

  // Starts all processes and waits until the coordinator listens. A process that cannot be kept running raises
  // `interrupt` with the reason. Errors name the binary or the process and its log.
  static StatusOr<std::unique_ptr<LocalCluster>> Start(const Options& options, const StateDirectory& state,
                                                       Console* console, Interrupt* interrupt);
  // Stop().
  ~LocalCluster();
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  // HOST:PORT of the coordinator.
  const std::string& address() const { return address_; }

  // Asks workers, then the coordinator, to end; kills what has not after `grace`. Idempotent.
  void Stop(std::chrono::milliseconds grace = std::chrono::milliseconds(10'000));
  // SIGKILL to all, without waiting.
  void Kill();

 private:
  LocalCluster(const Options& options, const StateDirectory& state, Console* console, Interrupt* interrupt);
  Status StartCoordinator();
  void StartWorker(int number);
  Status AwaitAddress();
  SupervisedProcess::Callbacks CallbacksFor(const std::string& name);

  const Options options_;
  const std::string state_path_;
  Console* console_;
  Interrupt* interrupt_;
  std::string address_;
  Mutex mutex_;
  Status given_up_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<SupervisedProcess> coordinator_;
  std::vector<std::unique_ptr<SupervisedProcess>> workers_;
};

}  // namespace lwq::client
