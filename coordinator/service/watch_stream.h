// SPDX-License-Identifier: Apache-2.0
// One WatchRun call: a stream of whole runs or, after the first, of changes; at most one message in flight.
//
// Between three threads: gRPC's (writes done, the client gone), the loop's (news) and the one that sends. Lives until
// all have let go.
#pragma once

#include <memory>
#include <optional>

#include "common/sync/mutex.h"
#include "coordinator/loop/runtime.h"
#include "coordinator/service/watch_messages.h"
#include "lwqat/v1/run_service.grpc.pb.h"

namespace lwq::coordinator {

class WatchStream final : public grpc::ServerWriteReactor<lwqat::v1::WatchRunResponse>,
                          public RunWatcher,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  // Runtime and messages must outlive the call. The stream belongs to itself.
  static WatchStream* Start(Runtime* runtime, WatchMessages* messages, const lwqat::v1::WatchRunRequest& request);

  // gRPC's thread.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // The loop's thread.
  bool Ready() override;
  uint64_t Send(const State& state, const RunEntry& run, Instant now) override;
  void End(const Status& status) override;
  bool Closed() override;

 private:
  WatchStream(Runtime* runtime, WatchMessages* messages, bool changes_only)
      : runtime_(runtime), messages_(messages), changes_only_(changes_only) {}
  // The sending thread. The lock is not held while it writes: the loop asks for it, and this thread may be made to
  // wait.
  void Write();
  // At once, or when the write that is being started has been.
  void FinishOnce(const grpc::Status& status);
  void FinishIfTold();

  Runtime* const runtime_;
  WatchMessages* const messages_;
  const bool changes_only_;
  std::optional<uint64_t> sent_revision_;  // the loop's thread alone
  std::shared_ptr<WatchStream> self_;      // until OnDone
  Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;   // from Send to OnWriteDone
  bool starting_ ABSL_GUARDED_BY(mutex_) = false;  // from Send until StartWrite has returned
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> finish_ ABSL_GUARDED_BY(mutex_);  // what Finish is still to be called with
  WatchMessages::Message message_;                              // of the write in flight
};

}  // namespace lwq::coordinator
