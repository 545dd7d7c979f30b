// SPDX-License-Identifier: Apache-2.0
#include "client/local/supervised_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "client/base/format.h"

namespace lwq::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPauseMin{100};
constexpr milliseconds kMaxPause{5'000};
constexpr milliseconds kLivedLong{10'000};
constexpr milliseconds kLivedShort{2'000};
constexpr int kMaxShortLives = 5;
constexpr int kBadInput = 2;  // exit code

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// In the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void RunChild(pid_t parent, int log_fd, int error_fd, char* const* arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent died before the line above
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  close_range(3, ~0U,
              CLOSE_RANGE_CLOEXEC);  // whatever a library left open for children; the pipe below lives until exec
  dup2(log_fd, STDOUT_FILENO);
  dup2(log_fd, STDERR_FILENO);
  const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null_fd >= 0) dup2(null_fd, STDIN_FILENO);
  execv(arguments[0], arguments);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(error_fd, &error, sizeof(error));
  _exit(127);
}

}  // namespace

std::string DescribeWaitStatus(int wait_status) {
  if (WIFSIGNALED(wait_status)) return absl::StrCat("was killed by signal ", WTERMSIG(wait_status));
  return absl::StrCat("exited with code ", WEXITSTATUS(wait_status));
}

std::string LastLogLine(const std::string& path, int64_t begin) {
  constexpr int64_t kTail = 4096;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const int64_t size = file.tellg();
  file.seekg(std::max(begin, size - kTail));
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (!OneLine(line).empty()) last = OneLine(line);
  }
  return last;
}

SupervisedProcess::SupervisedProcess(ProcessSpec spec, Callbacks callbacks)
    : spec_(std::move(spec)), callbacks_(std::move(callbacks)), thread_([this] { Supervise(); }) {}

SupervisedProcess::~SupervisedProcess() {
  Kill();
  thread_.join();
}

pid_t SupervisedProcess::pid() const {
  const MutexLock lock(&mutex_);
  return pid_;
}

bool SupervisedProcess::stopping() const {
  const MutexLock lock(&mutex_);
  return stopping_;
}

void SupervisedProcess::RequestStop() {
  const MutexLock lock(&mutex_);
  stopping_ = true;
  if (stop_signal_ == 0) stop_signal_ = SIGTERM;
  if (pid_ > 0) kill(pid_, SIGTERM);  // not reaped while pid_ names it, so the number is still ours
  changed_.NotifyAll();
}

void SupervisedProcess::Kill() {
  const MutexLock lock(&mutex_);
  stopping_ = true;
  stop_signal_ = SIGKILL;
  if (pid_ > 0) kill(pid_, SIGKILL);
  changed_.NotifyAll();
}

bool SupervisedProcess::WaitStopped(milliseconds timeout) {
  MutexLock lock(&mutex_);
  return changed_.WaitFor(lock, timeout, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopped_; });
}

StatusOr<pid_t> SupervisedProcess::Start() {
  const auto failed = [&](std::string_view what) {
    return absl::InternalError(absl::StrCat(spec_.name, ": ", what, ": ", std::strerror(errno)));
  };
  const std::vector<char*> argument_pointers = Pointers(spec_.arguments);
  const int log_fd = open(spec_.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) return failed(absl::StrCat("cannot write ", spec_.log_path));
  log_begin_ = std::max<int64_t>(0, lseek(log_fd, 0, SEEK_END));
  int error_pipe[2];
  if (pipe2(error_pipe, O_CLOEXEC) != 0) {
    close(log_fd);
    return failed("pipe");
  }
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) RunChild(parent, log_fd, error_pipe[1], argument_pointers.data());
  const int fork_error = errno;
  close(log_fd);
  close(error_pipe[1]);
  int exec_error = 0;
  const bool exec_failed = child > 0 && read(error_pipe[0], &exec_error, sizeof(exec_error)) == sizeof(exec_error);
  close(error_pipe[0]);
  if (child < 0 || exec_failed) {
    if (exec_failed) waitpid(child, nullptr, 0);
    errno = exec_failed ? exec_error : fork_error;
    return failed(absl::StrCat("cannot start ", spec_.arguments[0]));
  }
  return child;
}

int SupervisedProcess::Await(pid_t child) {
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  const MutexLock lock(&mutex_);  // reaped under the lock: nobody signals a number that is no longer ours
  int wait_status = 0;
  waitpid(child, &wait_status, 0);
  pid_ = -1;
  return wait_status;
}

std::string SupervisedProcess::LastWords(int wait_status) const {
  const std::string words = WIFEXITED(wait_status) ? LastLogLine(spec_.log_path, log_begin_) : "";
  return words.empty() ? "" : absl::StrCat(", saying \"", words, "\"");
}

void SupervisedProcess::Supervise() {
  milliseconds pause = kPauseMin;
  int short_lives = 0;
  for (int starts = 1; !stopping(); ++starts) {
    if (starts > 1 && callbacks_.arguments) spec_.arguments = callbacks_.arguments(spec_.arguments);
    const auto child = Start();
    if (!child.ok()) {
      callbacks_.gave_up(child.status());
      break;
    }
    const auto born = steady_clock::now();
    {
      const MutexLock lock(&mutex_);
      pid_ = *child;
      if (stopping_) kill(pid_, stop_signal_);
    }
    callbacks_.started(*child, starts);
    const int wait_status = Await(*child);
    if (stopping()) break;
    const auto lived = steady_clock::now() - born;
    short_lives = WIFEXITED(wait_status) && lived < kLivedShort ? short_lives + 1 : 0;
    const bool bad_input = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == kBadInput;
    if (bad_input || short_lives >= kMaxShortLives) {
      const std::string tries = bad_input ? "" : absl::StrCat(" ", kMaxShortLives, " times in a row");
      callbacks_.gave_up(absl::InternalError(absl::StrCat(spec_.name, " ", DescribeWaitStatus(wait_status), tries,
                                                          LastWords(wait_status), "; see ", spec_.log_path)));
      break;
    }
    callbacks_.died(absl::StrCat(DescribeWaitStatus(wait_status), LastWords(wait_status)));
    if (lived >= kLivedLong) pause = kPauseMin;
    MutexLock lock(&mutex_);
    changed_.WaitFor(lock, pause, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_; });
    pause = std::min(pause * 2, kMaxPause);
  }
  const MutexLock lock(&mutex_);
  stopped_ = true;
  changed_.NotifyAll();
}

}  // namespace lwq::client
