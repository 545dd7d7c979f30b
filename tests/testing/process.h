// SPDX-License-Identifier: Apache-2.0
// Real processes in tests: started with a log file, killed with a signal, reaped; never outliving the test.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/status/status.h"

namespace lwq::test {

class Process {
 public:
  Process() = default;
  // Starts argv[0] with standard output and error appended to `log_path`. The child dies with this process.
  Process(std::vector<std::string> argv, std::string log_path);
  ~Process();  // SIGKILL if it still runs
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const { return pid_; }
  bool Running();
  void Signal(int signal);
  // Waits for its end; the exit code, or 128 + signal.
  int Wait();
  void Kill();  // SIGKILL and reap

 private:
  pid_t pid_ = -1;
  bool reaped_ = true;
  int exit_code_ = -1;
};

struct Finished {
  int exit_code = -1;
  std::string out;
  std::string err;
};
// Runs to the end and captures both streams.
Finished RunToEnd(const std::vector<std::string>& argv, const std::string& scratch_directory);

// Waits until the file exists and is not empty, and returns its contents without the last newline. Polls; gives up
// after `seconds` with DEADLINE_EXCEEDED naming the file.
StatusOr<std::string> WaitForFile(const std::string& path, double seconds);

// A new empty folder, removed when the object goes.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string ReadFileOrEmpty(const std::string& path);
void WriteFile(const std::string& path, std::string_view contents);

}  // namespace lwq::test
