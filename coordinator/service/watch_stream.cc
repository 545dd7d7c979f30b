// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/watch_stream.h"

#include <utility>

#include "common/rpc/grpc_status.h"

namespace lwq::coordinator {

WatchStream* WatchStream::Start(Runtime* runtime, WatchMessages* messages, const lwqat::v1::WatchRunRequest& request) {
  auto stream = std::shared_ptr<WatchStream>(new WatchStream(runtime, messages, request.changes_only()));
  stream->self_ = stream;
  WatchStream* reactor = stream.get();
  runtime->Watch(request.run_id(), std::move(stream));
  return reactor;
}

void WatchStream::OnWriteDone(bool ok) {
  {
    const MutexLock lock(&mutex_);
    writing_ = false;
    message_.reset();
  }
  if (!ok) FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "the client has hung up"));
  runtime_->Wake();
}

void WatchStream::OnCancel() {
  FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "the client has hung up"));
  runtime_->Wake();
}

void WatchStream::OnDone() {
  self_.reset();
}

bool WatchStream::Ready() {
  const MutexLock lock(&mutex_);
  return !writing_ && !starting_ && !finished_;
}

uint64_t WatchStream::Send(const State& state, const RunEntry& run, Instant now) {
  const bool changes = changes_only_ && sent_revision_.has_value();
  WatchMessages::UpTo next =
      changes ? messages_->Changes(state, run, now, *sent_revision_) : messages_->Whole(state, run, now);
  message_ = std::move(next.message);
  sent_revision_ = next.revision;
  {
    const MutexLock lock(&mutex_);
    if (finished_) return next.revision;
    writing_ = true;
    starting_ = true;
  }
  messages_->Post([self = shared_from_this()] { self->Write(); });
  return next.revision;
}

void WatchStream::Write() {
  bool wanted = false;
  {
    const MutexLock lock(&mutex_);
    wanted = !finished_;
  }
  if (wanted) StartWrite(message_.get());
  bool done = false;
  {
    const MutexLock lock(&mutex_);
    starting_ = false;
    done = !writing_;
  }
  FinishIfTold();
  if (done) runtime_->Wake();
}

void WatchStream::End(const Status& status) {
  FinishOnce(ToGrpc(status));
}

bool WatchStream::Closed() {
  const MutexLock lock(&mutex_);
  return finished_;
}

void WatchStream::FinishOnce(const grpc::Status& status) {
  {
    const MutexLock lock(&mutex_);
    if (finished_) return;
    finished_ = true;
    finish_ = status;
    if (starting_) return;  // Write does it.
  }
  FinishIfTold();
}

void WatchStream::FinishIfTold() {
  std::optional<grpc::Status> status;
  {
    const MutexLock lock(&mutex_);
    status = std::exchange(finish_, std::nullopt);
  }
  if (status.has_value()) Finish(*status);
}

}  // namespace lwq::coordinator
