// SPDX-License-Identifier: Apache-2.0
// A disk that is full, in a process of its own: no file there grows beyond a limit, which stands for the space that is
// left. The write that exceeds it fails in the place where it would on a full disk, with EFBIG in place of ENOSPC.
#pragma once

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/status/status.h"

namespace lwq::test {

// In a process that InSmallFiles runs: from now on a file may have so many bytes.
inline void LimitFiles(rlim_t bytes) {
  const rlimit limit{bytes, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(100);
}

// body() in a child of this process, from the beginning with the limit; what it returns: 0 for all is well, else which
// claim does not hold. -1 where it died.
template <typename Body>
int InSmallFiles(rlim_t bytes, const Body& body) {
  const pid_t child = ::fork();
  LWQ_CHECK(child >= 0, "fork");
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    LimitFiles(bytes);
    ::_exit(body());
  }
  int status = 0;
  LWQ_CHECK(::waitpid(child, &status, 0) == child, "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace lwq::test
