// SPDX-License-Identifier: Apache-2.0
// One call of WatchRun, WatchRuns or WatchSweep: a stream of messages, at most one in flight.
//
// Between three threads: gRPC's (writes done, the client gone), the loop's (news) and the one that sends. Lives until
// all have let go.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/sync/mutex.h"
#include "coordinator/service/desk.h"
#include "coordinator/service/watch_messages.h"
#include "grpcpp/grpcpp.h"
#include "lwqat/v1/run_service.pb.h"
#include "lwqat/v1/sweep_service.pb.h"

namespace lwq::coordinator {

// What the streams have in common: all but what is looked at and what is sent.
class WatchStream : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                    public Watcher,
                    public std::enable_shared_from_this<WatchStream> {
 public:
  // gRPC's thread.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // The loop's thread.
  bool Ready() override;
  void End(const Status& status) override;
  bool Closed() override;

 protected:
  WatchStream(const Desk& desk, WatchMessages* messages, Caller caller)
      : runtime_(desk.runtime()), gate_(desk.gate()), messages_(messages), caller_(std::move(caller)) {}
  // What IntervalsApart is for a client's interval_ms. INVALID_ARGUMENT: out of range.
  StatusOr<int64_t> Apart(int64_t interval_ms) const;
  // UNAUTHENTICATED: the token is valid no longer.
  Status StillLet() const { return gate_->StillLets(caller_); }
  // Begins the watch; the stream belongs to itself from now on.
  void Begin();
  // The loop's thread. Requires Ready.
  void Post(std::shared_ptr<const SerializedOnce> message);

  Runtime* const runtime_;
  const Gate* const gate_;
  WatchMessages* const messages_;
  const Caller caller_;

 private:
  // The sending thread. The lock is not held while it writes: the loop asks for it, and this thread may be made to
  // wait.
  void Write();
  // Whether the loop has asked for what is ready now, and is to be woken: of streams that it has not come to yet
  // nothing is gained by that, and there may be hundreds.
  bool IsAwaited() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // At once, or when the write that is being started has been.
  void FinishOnce(const grpc::Status& status);
  void FinishIfTold();

  std::shared_ptr<WatchStream> self_;  // until OnDone
  Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;   // from Post to OnWriteDone
  bool starting_ ABSL_GUARDED_BY(mutex_) = false;  // from Post until StartWrite has returned
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool awaited_ ABSL_GUARDED_BY(mutex_) = false;                // the loop found it not ready, and waits
  std::optional<grpc::Status> finish_ ABSL_GUARDED_BY(mutex_);  // what Finish is still to be called with
  std::shared_ptr<const SerializedOnce> message_;               // of the write in flight
};

// Whole runs or, after the first message, changes.
class RunWatchStream final : public WatchStream {
 public:
  // What the desk is made of, and messages, must outlive the call.
  static RunWatchStream* Start(const Desk& desk, WatchMessages* messages, Caller caller,
                               const lwqat::v1::WatchRunRequest& request);

  StatusOr<News> Look(const State& state) override;
  int64_t IntervalsApart() const override { return apart_; }
  void Send(const State& state, Instant now) override;

 private:
  RunWatchStream(const Desk& desk, WatchMessages* messages, Caller caller, const lwqat::v1::WatchRunRequest& request)
      : WatchStream(desk, messages, std::move(caller)), request_(request) {}
  // The run that is meant, and what the client knows of it.
  Status Open(const State& state);

  const lwqat::v1::WatchRunRequest request_;
  // The loop's thread alone.
  std::optional<RunId> run_;
  std::optional<uint64_t> known_;  // the client knows it up to this revision
  int64_t apart_ = 1;
  bool spoken_ = false;  // a client that goes on is answered at once, too
};

// All runs, and which are deleted; has no end.
class RunsWatchStream final : public WatchStream {
 public:
  // What the desk is made of, and messages, must outlive the call.
  static RunsWatchStream* Start(const Desk& desk, WatchMessages* messages, Caller caller,
                                const lwqat::v1::WatchRunsRequest& request);

  StatusOr<News> Look(const State& state) override;
  int64_t IntervalsApart() const override { return more_ ? 1 : apart_; }
  void Send(const State& state, Instant now) override;

 private:
  RunsWatchStream(const Desk& desk, WatchMessages* messages, Caller caller, const lwqat::v1::WatchRunsRequest& request)
      : WatchStream(desk, messages, std::move(caller)), request_(request) {}
  Status Open(const State& state);

  const lwqat::v1::WatchRunsRequest request_;
  // The loop's thread alone.
  std::optional<WatchMessages::RunsWatched> watched_;
  std::optional<WatchMessages::RunsKnown> known_;
  int64_t apart_ = 1;
  bool more_ = false;
  bool spoken_ = false;
};

// The runs of a sweep that changed, in the order of their changes.
class SweepWatchStream final : public WatchStream {
 public:
  // What the desk is made of, and messages, must outlive the call.
  static SweepWatchStream* Start(const Desk& desk, WatchMessages* messages, Caller caller,
                                 const lwqat::v1::WatchSweepRequest& request);

  StatusOr<News> Look(const State& state) override;
  void Send(const State& state, Instant now) override;

 private:
  SweepWatchStream(const Desk& desk, WatchMessages* messages, Caller caller,
                   const lwqat::v1::WatchSweepRequest& request)
      : WatchStream(desk, messages, std::move(caller)), request_(request) {}
  Status Open(const State& state);

  const lwqat::v1::WatchSweepRequest request_;
  // The loop's thread alone.
  std::optional<SweepId> sweep_;
  std::optional<uint64_t> known_;
  bool spoken_ = false;
};

}  // namespace lwq::coordinator
