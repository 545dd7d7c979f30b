// SPDX-License-Identifier: Apache-2.0
// A child process that is started again whenever it ends without having been asked to.
//
// Each object has one thread, which forks the child, waits for it and forks the next one; the kernel kills the child
// (SIGKILL) when that thread ends, so no child outlives this process however it dies. The child leads its own process
// group: a Ctrl-C in the terminal reaches only us. Pauses between starts grow from 0.1 s to 5 s and begin anew after a
// child that lived 10 s. A child that exits by itself (not by a signal) within 2 s of its start five times in a row is
// given up, and so is one that exits with code 2: by the programs' convention its input is bad, and it stays so.
// Thread-safety: all methods from any thread; callbacks run on the object's thread and must not call Stop or the
// destructor.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/status/status.h"
#include "common/sync/mutex.h"

namespace lwq::client {

struct ProcessSpec {
  std::string name;                    // "worker-1"
  std::vector<std::string> arguments;  // [0] is the path of the binary
  std::string log_path;                // standard output and error, appended
};

// "exited with code 2" or "was killed by signal 9".
std::string DescribeWaitStatus(int wait_status);

// The last line of a log behind its first `begin` bytes, or "" — what a process that did not stay had to say.
std::string LastLogLine(const std::string& path, int64_t begin = 0);

class SupervisedProcess {
 public:
  struct Callbacks {
    // A child runs. `starts` counts from 1.
    std::function<void(pid_t pid, int starts)> started = [](pid_t, int) {};
    // It ended unasked; another will be started.
    std::function<void(const std::string& why)> died = [](const std::string&) {};
    // It could not be started, or did not stay: no more tries.
    std::function<void(const Status& why)> gave_up = [](const Status&) {};
    // Asked for the arguments before each start after the first, e.g. to listen on the port the first one got.
    std::function<std::vector<std::string>(const std::vector<std::string>&)> arguments = nullptr;
  };
  SupervisedProcess(ProcessSpec spec, Callbacks callbacks);
  // As Kill, then waits.
  ~SupervisedProcess();
  SupervisedProcess(const SupervisedProcess&) = delete;
  SupervisedProcess& operator=(const SupervisedProcess&) = delete;

  const ProcessSpec& spec() const { return spec_; }
  // -1 while none runs.
  pid_t pid() const;

  // Asks the child to end (SIGTERM); no other is started.
  void RequestStop();
  // Ends it now (SIGKILL); no other is started.
  void Kill();
  // True when the child has ended and no other will start.
  bool WaitStopped(std::chrono::milliseconds timeout);

 private:
  void Supervise();
  // The pid of the new child.
  StatusOr<pid_t> Start();
  // Waits for the child's end; its wait status.
  int Await(pid_t child);
  // ", saying …" of a child that exited with words; else "".
  std::string LastWords(int wait_status) const;
  bool stopping() const;

  ProcessSpec spec_;
  const Callbacks callbacks_;
  int64_t log_begin_ = 0;  // size of the log before the last child was started
  mutable Mutex mutex_;
  CondVar changed_;
  pid_t pid_ ABSL_GUARDED_BY(mutex_) = -1;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int stop_signal_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: starts when all else is there
};

}  // namespace lwq::client
