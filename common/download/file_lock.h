// SPDX-License-Identifier: Apache-2.0
// One process, and one thread, at a time: flock on a file of its own, as other tools that share the folder take it.
//
// Thread-safety: a FileLock belongs to one thread at a time. The lock goes with the object, or with its process.
#pragma once

#include <string>

#include "common/file/posix_file.h"
#include "common/retry/retrier.h"
#include "common/status/status.h"

namespace lwq {

class FileLock {
 public:
  // Makes the file where it is absent, its folder must be there, and waits until nobody else holds the lock: `wait`
  // lets time pass between two looks and may end it. Where the file system has no locks nobody is waited for.
  static StatusOr<FileLock> Take(const std::string& path, const RetryWait& wait);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace lwq
