// SPDX-License-Identifier: Apache-2.0
// The tokens that callers may show: the file of common/access/token_file.h, read again when it changes. A file that
// cannot be read or is damaged changes nothing: those read last stay valid, and the log says so once.
//
// Thread-safety: any thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/access/token_file.h"
#include "common/bytes/mapped_file.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"

namespace lwq::coordinator {

class TokenBook {
 public:
  // How often the file is looked at, at most: a revoked token is refused no later than that.
  static constexpr std::chrono::milliseconds kInterval{1000};

  // FAILED_PRECONDITION: it cannot be read, or is damaged.
  static StatusOr<std::unique_ptr<TokenBook>> Open(const std::string& path,
                                                   std::chrono::milliseconds interval = kInterval);

  // Whose token this is. UNAUTHENTICATED: nobody's (any more), or it has expired; the message does not hold it.
  StatusOr<TokenRecord> Find(std::string_view token, int64_t now_unix_s);
  // Whether the token of this hash still is one. UNAUTHENTICATED.
  Status StillValid(const Digest& sha256, int64_t now_unix_s);

 private:
  TokenBook(std::string path, std::chrono::milliseconds interval) : path_(std::move(path)), interval_(interval) {}
  static StatusOr<TokenFile> Read(const std::string& path);
  // As read last, after a look at the file where one is due.
  std::shared_ptr<const TokenFile> Current();

  const std::string path_;
  const std::chrono::milliseconds interval_;
  Mutex mutex_;
  std::shared_ptr<const TokenFile> file_ ABSL_GUARDED_BY(mutex_);
  std::optional<FileIdentity> identity_ ABSL_GUARDED_BY(mutex_);  // of the file as it was looked at last
  std::chrono::steady_clock::time_point looked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lwq::coordinator
