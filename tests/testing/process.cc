// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace lwq::test {
namespace {

pid_t Spawn(const std::vector<std::string>& argv, const std::string& out_path, const std::string& err_path) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t pid = ::fork();
  LWQ_CHECK(pid >= 0, "fork failed");
  if (pid > 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open(out_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int err = out_path == err_path ? out : ::open(err_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int in = ::open("/dev/null", O_RDONLY);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

int Reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Process::Process(std::vector<std::string> argv, std::string log_path)
    : pid_(Spawn(argv, log_path, log_path)), reaped_(false) {}

Process::~Process() {
  Kill();
}

Process::Process(Process&& other) noexcept {
  *this = std::move(other);
}

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  Kill();
  pid_ = other.pid_;
  reaped_ = other.reaped_;
  exit_code_ = other.exit_code_;
  other.reaped_ = true;
  other.pid_ = -1;
  return *this;
}

bool Process::Running() {
  if (reaped_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
  reaped_ = true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

void Process::Signal(int signal) {
  if (!reaped_) ::kill(pid_, signal);
}

int Process::Wait() {
  if (!reaped_) {
    exit_code_ = Reap(pid_);
    reaped_ = true;
  }
  return exit_code_;
}

void Process::Kill() {
  if (reaped_) return;
  ::kill(pid_, SIGKILL);
  Wait();
}

Finished RunToEnd(const std::vector<std::string>& argv, const std::string& scratch_directory) {
  static int counter = 0;
  const std::string base = scratch_directory + "/run" + std::to_string(++counter);
  Finished finished;
  finished.exit_code = Reap(Spawn(argv, base + ".out", base + ".err"));
  finished.out = ReadFileOrEmpty(base + ".out");
  finished.err = ReadFileOrEmpty(base + ".err");
  return finished;
}

StatusOr<std::string> WaitForFile(const std::string& path, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    std::string contents = ReadFileOrEmpty(path);
    if (!contents.empty()) {
      while (!contents.empty() && contents.back() == '\n') contents.pop_back();
      return contents;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return absl::DeadlineExceededError(absl::StrCat(path, " did not appear within ", seconds, " s"));
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "lwq-test-XXXXXX").string();
  LWQ_CHECK(::mkdtemp(pattern.data()) != nullptr, "mkdtemp ", pattern);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadFileOrEmpty(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream contents;
  contents << in.rdbuf();
  return contents.str();
}

void WriteFile(const std::string& path, std::string_view contents) {
  std::ofstream out(path, std::ios::binary);
  out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  LWQ_CHECK(out.good(), "write ", path);
}

}  // namespace lwq::test
