#include "coordinator/service/watch_stream.h"

#include "common/rpc/grpc_status.h"
#include "coordinator/service/convert_run.h"

namespace lwq::coordinator {

WatchStream* WatchStream::Start(Runtime* runtime, const lwqat::v1::WatchRunRequest& request) {
  auto stream = std::shared_ptr<WatchStream>(new WatchStream(runtime, request.changes_only()));
  stream->self_ = stream;
  WatchStream* reactor = stream.get();
  runtime->Watch(request.run_id(), std::move(stream));
  return reactor;
}

void WatchStream::OnWriteDone(bool ok) {
  {
    std::lock_guard lock(mutex_);
    writing_ = false;
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
  std::lock_guard lock(mutex_);
  return !writing_ && !finished_;
}

void WatchStream::Send(const State& state, const RunEntry& run, Instant now) {
  message_.Clear();
  if (changes_only_ && sent_revision_.has_value()) {
    ChangesToWire(state, run, now, *sent_revision_, &message_);
  } else {
    RunToWire(state, run, now, /*with_tasks=*/true, message_.mutable_run());
  }
  sent_revision_ = run.revision;
  // Under the lock, so that no Finish comes between the check and the write.
  std::lock_guard lock(mutex_);
  if (finished_) return;
  writing_ = true;
  StartWrite(&message_);
}

void WatchStream::End(const Status& status) {
  FinishOnce(ToGrpc(status));
}

bool WatchStream::Closed() {
  std::lock_guard lock(mutex_);
  return finished_;
}

void WatchStream::FinishOnce(const grpc::Status& status) {
  {
    std::lock_guard lock(mutex_);
    if (finished_) return;
    finished_ = true;
  }
  Finish(status);
}

}  // namespace lwq::coordinator
