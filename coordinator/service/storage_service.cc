// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/storage_service.h"

#include <algorithm>
#include <utility>

#include "common/rpc/grpc_status.h"
#include "coordinator/scheduler/state/live_roots.h"
#include "coordinator/scheduler/state/stored_artifacts.h"
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
      ToWire(roots_.artifacts[artifacts_sent_], message_.add_artifacts());
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

// Of artifacts with their names in one message.
constexpr size_t kArtifactsPerMessage = 2048;
constexpr int kMaxLostPerMessage = 10'000;

lwqat::v1::ArtifactOrigin OriginOnWire(ArtifactOrigin origin) {
  switch (origin) {
    case ArtifactOrigin::kInput:
      return lwqat::v1::ARTIFACT_ORIGIN_INPUT;
    case ArtifactOrigin::kResult:
      return lwqat::v1::ARTIFACT_ORIGIN_RESULT;
    case ArtifactOrigin::kCheckpoint:
      return lwqat::v1::ARTIFACT_ORIGIN_CHECKPOINT;
  }
  return lwqat::v1::ARTIFACT_ORIGIN_UNSPECIFIED;
}

// Sends what should be stored in parts; belongs to itself.
class ArtifactsStream final : public grpc::ServerWriteReactor<lwqat::v1::ListArtifactsResponse> {
 public:
  void Begin(const State& state) {
    for (const StoredArtifact& stored : StoredArtifactsOf(state)) {
      lwqat::v1::StoredArtifact& message = messages_.emplace_back();
      if (!stored.artifact.digest.is_zero()) ToWire(stored.artifact, message.mutable_artifact());
      message.set_origin(OriginOnWire(stored.origin));
      message.set_run_id(stored.run.value);
      message.set_run_name(state.runs.at(stored.run).record.spec->name);
      message.set_what(stored.what);
      if (!stored.task.is_zero()) message.set_task_key(stored.task.hex());
      message.set_role(stored.role);
      if (!stored.action.is_zero()) message.set_action_key(stored.action.hex());
    }
    Write();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client has hung up"));
    if (sent_ == messages_.size()) return Finish(grpc::Status::OK);
    part_.Clear();
    Write();
  }
  void OnDone() override { delete this; }

 private:
  void Write() {
    const size_t end = std::min(messages_.size(), sent_ + kArtifactsPerMessage);
    for (; sent_ < end; ++sent_) *part_.add_artifacts() = std::move(messages_[sent_]);
    StartWrite(&part_);
  }

  std::vector<lwqat::v1::StoredArtifact> messages_;
  size_t sent_ = 0;
  lwqat::v1::ListArtifactsResponse part_;
};

StatusOr<LoseArtifacts> LostArtifacts(const lwqat::v1::ReportLostArtifactsRequest& request) {
  if (request.artifacts_size() > kMaxLostPerMessage) {
    return absl::InvalidArgumentError(
        absl::StrCat("artifacts: ", request.artifacts_size(), " names: send ", kMaxLostPerMessage, " at most"));
  }
  LoseArtifacts lost;
  for (const std::string& name : request.artifacts()) {
    const StatusOr<Digest> digest = Digest::FromHex(name);
    if (!digest.ok()) return Annotate(digest.status(), "artifacts");
    lost.artifacts.push_back(*digest);
  }
  return lost;
}

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

grpc::ServerWriteReactor<lwqat::v1::ListArtifactsResponse>* StorageServiceImpl::ListArtifacts(
    grpc::CallbackServerContext* context, const lwqat::v1::ListArtifactsRequest* /*request*/) {
  const StatusOr<Caller> caller = desk_->Enter(context, Rpc::kListArtifacts);
  if (!caller.ok()) return new RefusedStream<lwqat::v1::ListArtifactsResponse>(caller.status());
  auto* stream = new ArtifactsStream();
  desk_->runtime()->Read([stream](const State* state, Instant /*now*/) {
    if (state == nullptr) return stream->Finish(ToGrpc(Stopping()));
    stream->Begin(*state);
  });
  return stream;
}

grpc::ServerUnaryReactor* StorageServiceImpl::ReportLostArtifacts(grpc::CallbackServerContext* context,
                                                                  const lwqat::v1::ReportLostArtifactsRequest* request,
                                                                  lwqat::v1::ReportLostArtifactsResponse* response) {
  const StatusOr<Caller> caller = desk_->Enter(context, Rpc::kReportLostArtifacts);
  if (!caller.ok()) return Desk::Refuse(context, caller.status());
  StatusOr<LoseArtifacts> lost = LostArtifacts(*request);
  if (!lost.ok()) return Desk::Refuse(context, lost.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  desk_->runtime()->Post(*std::move(lost), [reactor, response](const Status& status, const Reply& reply, const State*) {
    if (status.ok()) {
      const auto& said = std::get<LostReply>(reply);
      response->set_made_again(said.made_again);
      response->set_given_up(said.given_up);
    }
    reactor->Finish(ToGrpc(status));
  });
  return reactor;
}

}  // namespace lwq::coordinator
