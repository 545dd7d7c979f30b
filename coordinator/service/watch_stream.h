// One WatchRun call: a stream of whole runs or, after the first, of changes; at most one message in flight.
//
// Between two threads: gRPC's (writes done, the client gone) and the loop's (news). Lives until both have let go.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "coordinator/runtime/runtime.h"
#include "lwqat/v1/run_service.grpc.pb.h"

namespace lwq::coordinator {

class WatchStream final : public grpc::ServerWriteReactor<lwqat::v1::WatchRunResponse>, public RunWatcher {
 public:
  // The runtime must outlive the call. The stream belongs to itself.
  static WatchStream* Start(Runtime* runtime, const lwqat::v1::WatchRunRequest& request);

  // gRPC's thread.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // The loop's thread.
  bool Ready() override;
  void Send(const State& state, const RunEntry& run, Instant now) override;
  void End(const Status& status) override;
  bool Closed() override;

 private:
  WatchStream(Runtime* runtime, bool changes_only) : runtime_(runtime), changes_only_(changes_only) {}
  void FinishOnce(const grpc::Status& status);

  Runtime* const runtime_;
  const bool changes_only_;
  std::optional<uint64_t> sent_revision_;  // the loop's thread alone
  std::shared_ptr<WatchStream> self_;  // until OnDone
  std::mutex mutex_;
  bool writing_ = false;                 // guarded by mutex_
  bool finished_ = false;                // guarded by mutex_
  lwqat::v1::WatchRunResponse message_;  // of the write in flight
};

}  // namespace lwq::coordinator
