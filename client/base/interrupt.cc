// SPDX-License-Identifier: Apache-2.0
#include "client/base/interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <thread>

#include "client/base/exit_code.h"

namespace lwq::client {
namespace {

int signal_pipe_write = -1;

void OnSignal(int /*signal*/) {
  const int saved = errno;
  const char byte = 1;
  [[maybe_unused]] const ssize_t written = write(signal_pipe_write, &byte, 1);
  errno = saved;
}

}  // namespace

void Interrupt::Raise(const Status& reason) {
  Raise(reason, std::numeric_limits<int>::max());
}

void Interrupt::RaiseOnce(const Status& reason) {
  Raise(reason, 1);
}

void Interrupt::Raise(const Status& reason, int count_max) {
  const MutexLock hooks_lock(&hooks_mutex_);
  {
    const MutexLock lock(&mutex_);
    if (count_ >= count_max) return;
    if (count_++ == 0) reason_ = reason;
  }
  changed_.NotifyAll();
  for (const auto& [id, hook] : hooks_) hook();
}

bool Interrupt::raised() const {
  return count() > 0;
}

int Interrupt::count() const {
  const MutexLock lock(&mutex_);
  return count_;
}

Status Interrupt::reason() const {
  const MutexLock lock(&mutex_);
  return reason_;
}

bool Interrupt::WaitFor(std::chrono::milliseconds duration) {
  MutexLock lock(&mutex_);
  return changed_.WaitFor(lock, duration, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return count_ > 0; });
}

Interrupt::Hook::Hook(Interrupt* interrupt, std::function<void()> action) : interrupt_(interrupt) {
  const MutexLock lock(&interrupt_->hooks_mutex_);
  if (interrupt_->raised()) action();
  id_ = interrupt_->next_hook_++;
  interrupt_->hooks_.emplace(id_, std::move(action));
}

Interrupt::Hook::~Hook() {
  const MutexLock lock(&interrupt_->hooks_mutex_);
  interrupt_->hooks_.erase(id_);
}

Status InterruptedByUser() {
  return WithExit(absl::CancelledError("interrupted"), ExitCode::kInterrupted);
}

Status InstallSignalHandlers(Interrupt* interrupt) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return absl::InternalError(absl::StrCat("pipe: ", std::strerror(errno)));
  signal_pipe_write = fds[1];
  std::thread([interrupt, read_fd = fds[0]] {
    char byte = 0;
    while (true) {
      const ssize_t got = read(read_fd, &byte, 1);
      if (got == 1) interrupt->Raise(InterruptedByUser());
      if (got == 0 || (got < 0 && errno != EINTR)) return;
    }
  }).detach();
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
  return absl::OkStatus();
}

}  // namespace lwq::client
