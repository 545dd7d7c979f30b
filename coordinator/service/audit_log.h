// SPDX-License-Identifier: Apache-2.0
// The audit log: a line for every call that may change something or that was refused, appended to a file of mode 0600.
// Calls that only look, and what workers say all the time (leases, heartbeats, reports), have a line where they are
// refused.
//
// A file that is moved away, as log rotation does, is made anew. A line that cannot be written is an error in the log
// and stops nothing. Thread-safety: any thread. The gate must outlive this.
#pragma once

#include <memory>
#include <string>

#include "common/file/posix_file.h"
#include "common/sync/mutex.h"
#include "coordinator/access/audit_line.h"
#include "coordinator/service/call_observer.h"
#include "coordinator/service/gate.h"

namespace lwq::coordinator {

class AuditLog final : public CallListener {
 public:
  // Errors of OpenFile.
  static StatusOr<std::unique_ptr<AuditLog>> Open(const std::string& path, const Gate* gate);

  void OnEnded(const EndedCall& call) override;

 private:
  AuditLog(std::string path, const Gate* gate) : path_(std::move(path)), gate_(gate) {}
  Status OpenAnew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Write(const std::string& line);

  const std::string path_;
  const Gate* const gate_;
  Mutex mutex_;
  UniqueFd file_ ABSL_GUARDED_BY(mutex_);
};

// Whether the call has a line.
bool IsAudited(const MethodRule& rule, const grpc::Status& status);

}  // namespace lwq::coordinator
