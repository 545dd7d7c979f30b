// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/storage_service.h"

#include <algorithm>
#include <utility>

#include "common/rpc/grpc_status.h"
#include "coordinator/scheduler/state/live_roots.h"
#include "coordinator/service/convert_spec.h"
#include "coordinator/service/refused_stream.h"

namespace lwq::coordinator {
namespace {

// Of artifacts and of results in one message.
constexpr size_t kRootsPerMessage = 4096;

// Sends what the loop has told it in parts; belongs to itself.
class RootsStream final : public grpc::ServerWriteReactor<lwqat::v1::ListRootsResponse> {
 public:
  void Begin(LiveRoots roots, Instant now) {
    roots_ = std::move(roots);
    message_.set_now_unix_ms(now.unix_ms);
    message_.set_working_since_unix_ms(roots_.working_since_unix_ms);
    Write();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client has hung up"));
    if (artifacts_sent_ == roots_.artifacts.size() && actions_sent_ == roots_.actions.size()) {
      return Finish(grpc::Status::OK);
    }
    message_.Clear();
    Write();
  }
  void OnDone() override { delete this; }

 private:
  void Write() {
    const size_t artifacts_end = std::min(roots_.artifacts.size(), artifacts_sent_ + kRootsPerMessage);
    for (; artifacts_sent_ < artifacts_end; ++artifacts_sent_) {
      const ArtifactRef& artifact = roots_.artifacts[artifacts_sent_];
      lwqat::v1::ArtifactRef* root = message_.add_artifacts();
      root->set_digest(artifact.digest.hex());
      root->set_size_bytes(artifact.size_bytes);
    }
    const size_t actions_end = std::min(roots_.actions.size(), actions_sent_ + kRootsPerMessage);
    for (; actions_sent_ < actions_end; ++actions_sent_) message_.add_results(roots_.actions[actions_sent_].hex());
    StartWrite(&message_);
  }

  LiveRoots roots_;
  size_t artifacts_sent_ = 0;
  size_t actions_sent_ = 0;
  lwqat::v1::ListRootsResponse message_;
};

}  // namespace

grpc::ServerWriteReactor<lwqat::v1::ListRootsResponse>* StorageServiceImpl::ListRoots(
    grpc::CallbackServerContext* context, const lwqat::v1::ListRootsRequest* /*request*/) {
  const StatusOr<Caller> caller = desk_->Enter(context, Rpc::kListRoots);
  if (!caller.ok()) return new RefusedStream<lwqat::v1::ListRootsResponse>(caller.status());
  auto* stream = new RootsStream();
  desk_->runtime()->Read([stream](const State* state, Instant now) {
    if (state == nullptr) return stream->Finish(ToGrpc(Stopping()));
    stream->Begin(LiveRootsOf(*state, now), now);
  });
  return stream;
}

}  // namespace lwq::coordinator
