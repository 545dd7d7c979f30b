// SPDX-License-Identifier: Apache-2.0
// Deletion, results made again and the roots of a collection over real gRPC; the flag that states a retention.
#include "coordinator/service/retain_flag.h"
#include "gmock/gmock.h"
#include "lwqat/v1/storage_service.grpc.pb.h"
#include "tests/unit/coordinator/service_fixture.h"

namespace lwq::coordinator {
namespace {

using grpc::StatusCode;
using ::testing::HasSubstr;

class StorageServiceTest : public ServiceTest {
 protected:
  wire::DeleteRunResponse deleted_;
  grpc::Status Delete(const std::string& id, bool force = false) {
    wire::DeleteRunRequest request;
    request.set_run_id(id);
    request.set_force(force);
    return Call(*runs_, &wire::RunService::Stub::DeleteRun, request, &deleted_);
  }
  grpc::Status Remake(const std::string& id, const std::string& artifact, wire::Run* run) {
    wire::RemakeArtifactRequest request;
    request.set_run_id(id);
    request.set_artifact(artifact);
    wire::RemakeArtifactResponse response;
    const grpc::Status status = Call(*runs_, &wire::RunService::Stub::RemakeArtifact, request, &response);
    *run = response.run();
    return status;
  }
  struct Roots {
    std::set<std::string> artifacts;
    size_t results = 0;
    int64_t now_unix_ms = 0;
    int64_t working_since_unix_ms = 0;
    int parts = 0;
  };
  std::vector<wire::StoredArtifact> AskForArtifacts() {
    const auto storage = wire::StorageService::NewStub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kFar);
    const auto stream = storage->ListArtifacts(&context, {});
    std::vector<wire::StoredArtifact> artifacts;
    wire::ListArtifactsResponse part;
    while (stream->Read(&part)) artifacts.insert(artifacts.end(), part.artifacts().begin(), part.artifacts().end());
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return artifacts;
  }
  grpc::Status ReportLost(const std::vector<std::string>& digests, wire::ReportLostArtifactsResponse* response) {
    const auto storage = wire::StorageService::NewStub(channel_);
    wire::ReportLostArtifactsRequest request;
    for (const std::string& digest : digests) request.add_artifacts(digest);
    return Call(*storage, &wire::StorageService::Stub::ReportLostArtifacts, request, response);
  }
  Roots AskForRoots() {
    const auto storage = wire::StorageService::NewStub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kFar);
    const auto stream = storage->ListRoots(&context, {});
    Roots roots;
    wire::ListRootsResponse part;
    while (stream->Read(&part)) {
      if (roots.parts++ == 0) {
        roots.now_unix_ms = part.now_unix_ms();
        roots.working_since_unix_ms = part.working_since_unix_ms();
      }
      for (const auto& artifact : part.artifacts()) roots.artifacts.insert(artifact.digest());
      roots.results += static_cast<size_t>(part.results_size());
    }
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return roots;
  }
};

TEST_F(StorageServiceTest, ARunIsDeletedOnceItHasEndedOrByForce) {
  const std::string worker = Register("a");
  const std::string id = Submit(testing::RtnSpec(2));
  EXPECT_EQ(Delete(id).error_code(), StatusCode::FAILED_PRECONDITION);
  RunToEnd(worker);
  ASSERT_TRUE(Delete(id.substr(0, 6)).ok());
  EXPECT_EQ(deleted_.run_id(), id);
  EXPECT_EQ(deleted_.tasks(), 3);
  EXPECT_GT(deleted_.released_bytes(), 0);
  EXPECT_EQ(Delete(id).error_code(), StatusCode::NOT_FOUND);
  const std::string other = Submit(testing::RtnSpec(2));
  EXPECT_TRUE(Delete(other, /*force=*/true).ok());
}

TEST_F(StorageServiceTest, ASweepIsDeletedWithItsRuns) {
  wire::SubmitSweepRequest request;
  for (const int64_t seed : {1, 2}) {
    *request.mutable_spec()->add_runs()->mutable_spec() = Submission(testing::NoopSpec(2, seed)).spec();
  }
  wire::SubmitSweepResponse submitted;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::SubmitSweep, request, &submitted).ok());
  wire::DeleteSweepRequest remove;
  remove.set_sweep_id(submitted.sweep().id());
  wire::DeleteSweepResponse removed;
  const auto ask = [&] { return Call(*sweeps_, &wire::SweepService::Stub::DeleteSweep, remove, &removed); };
  EXPECT_EQ(ask().error_code(), StatusCode::FAILED_PRECONDITION);
  remove.set_force(true);
  ASSERT_TRUE(ask().ok());
  EXPECT_EQ(removed.sweep_id(), submitted.sweep().id());
  EXPECT_EQ(removed.runs(), 2);
  EXPECT_EQ(ask().error_code(), StatusCode::NOT_FOUND);
  wire::ListRunsResponse list;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ListRuns, {}, &list).ok());
  EXPECT_EQ(list.runs_size(), 0);
}

TEST_F(StorageServiceTest, WhoWatchesARunThatIsDeletedIsToldThatItIsNotThere) {
  const std::string id = Submit(testing::RtnSpec(2));
  wire::WatchRunRequest request;
  request.set_run_id(id);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kFar);
  const auto stream = runs_->WatchRun(&context, request);
  wire::WatchRunResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_TRUE(Delete(id, /*force=*/true).ok());
  clock_.Advance(1000);
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::NOT_FOUND);
}

TEST_F(StorageServiceTest, WhoWatchesASweepIsToldWhenARunOrTheSweepIsDeleted) {
  wire::SubmitSweepRequest sweep;
  for (const int64_t seed : {1, 2}) {
    *sweep.mutable_spec()->add_runs()->mutable_spec() = Submission(testing::NoopSpec(2, seed)).spec();
  }
  wire::SubmitSweepResponse submitted;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::SubmitSweep, sweep, &submitted).ok());
  wire::WatchSweepRequest request;
  request.set_sweep_id(submitted.sweep().id());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kFar);
  const auto stream = sweeps_->WatchSweep(&context, request);
  wire::WatchSweepResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.runs_size(), 2);
  ASSERT_TRUE(Delete(submitted.sweep().members(0).run_id(), /*force=*/true).ok());
  clock_.Advance(1000);
  ASSERT_TRUE(stream->Read(&response));
  wire::DeleteSweepRequest deletion;
  deletion.set_sweep_id(submitted.sweep().id());
  deletion.set_force(true);
  wire::DeleteSweepResponse deleted;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::DeleteSweep, deletion, &deleted).ok());
  clock_.Advance(1000);
  while (stream->Read(&response)) {
  }
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), absl::StrCat("sweep '", submitted.sweep().id(), "' was deleted"));
}

TEST_F(StorageServiceTest, ALostExportIsMadeAgainWhileTheRunStaysSucceeded) {
  const std::string worker = Register("a");
  const std::string id = Submit(testing::RtnSpec(2));
  wire::Run run;
  EXPECT_EQ(Remake(id, "", &run).error_code(), StatusCode::FAILED_PRECONDITION);
  RunToEnd(worker);
  const wire::Run before = Get(id);
  EXPECT_EQ(Remake(id, "no digest", &run).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Remake(id, std::string(64, 'a'), &run).error_code(), StatusCode::NOT_FOUND);
  ASSERT_TRUE(Remake(id, before.export_().digest(), &run).ok());
  EXPECT_EQ(run.remaking(), "export gptq_v2");
  EXPECT_EQ(run.state(), wire::RUN_STATE_SUCCEEDED);
  const wire::LeaseTaskResponse lease = LeaseTo(worker);
  EXPECT_EQ(lease.lease().title(), "export gptq_v2");
  wire::ReportTaskResponse reported;
  ASSERT_TRUE(Call(*workers_, &wire::WorkerService::Stub::ReportTask, Success(worker, lease.lease()), &reported).ok());
  const wire::Run after = Get(id);
  EXPECT_EQ(after.remaking(), "");
  EXPECT_EQ(after.remake_error(), "");
  EXPECT_EQ(after.export_().digest(), before.export_().digest());
  EXPECT_EQ(after.result_digest(), before.result_digest());
}

TEST_F(StorageServiceTest, RootsAreInputsAndResultsAndSayWhoWorksSinceWhen) {
  const Roots none = AskForRoots();
  EXPECT_EQ(none.parts, 1);
  EXPECT_EQ(none.artifacts.size(), 0u);
  EXPECT_EQ(none.working_since_unix_ms, none.now_unix_ms);
  const std::string worker = Register("a");
  const RunSpec spec = testing::RtnSpec(2);
  const std::string id = Submit(spec);
  EXPECT_TRUE(AskForRoots().artifacts.contains(spec.model->files.digest.hex()));
  RunToEnd(worker);
  const Roots roots = AskForRoots();
  EXPECT_TRUE(roots.artifacts.contains(Get(id).export_().digest()));
  EXPECT_EQ(roots.results, 3u);
  Submit(testing::NoopSpec(1));
  LeaseTo(worker);
  clock_.Advance(5000);
  const Roots working = AskForRoots();
  EXPECT_EQ(working.now_unix_ms - working.working_since_unix_ms, 5000);
}

TEST_F(StorageServiceTest, ManyRootsComeInSeveralParts) {
  const std::string worker = Register("a");
  Submit(testing::NoopSpec(900));  // of which each is reported with five outputs
  RunToEnd(worker);
  const Roots roots = AskForRoots();
  EXPECT_EQ(roots.results, 900u);
  EXPECT_EQ(roots.artifacts.size(), 4500u);
  EXPECT_EQ(roots.parts, 2);
}

TEST_F(StorageServiceTest, WhatShouldBeStoredAreTheRootsAndIsToldWithRunAndTask) {
  const std::string worker = Register("a");
  const RunSpec spec = testing::RtnSpec(2);
  const std::string id = Submit(spec);
  RunToEnd(worker);
  std::set<std::string> digests, actions;
  std::map<std::string, wire::StoredArtifact> by_what;
  for (const wire::StoredArtifact& stored : AskForArtifacts()) {
    if (stored.has_artifact()) digests.insert(stored.artifact().digest());
    if (!stored.action_key().empty()) actions.insert(stored.action_key());
    EXPECT_EQ(stored.run_id(), id);
    by_what[absl::StrCat(stored.what(), "/", stored.role())] = stored;
  }
  const Roots roots = AskForRoots();
  EXPECT_EQ(digests, roots.artifacts);
  EXPECT_EQ(actions.size(), roots.results);
  EXPECT_EQ(by_what.at("model/").origin(), wire::ARTIFACT_ORIGIN_INPUT);
  EXPECT_EQ(by_what.at("model/").artifact().digest(), spec.model->files.digest.hex());
  EXPECT_EQ(by_what.at("export gptq_v2/files").origin(), wire::ARTIFACT_ORIGIN_RESULT);
  EXPECT_EQ(by_what.at("export gptq_v2/files").artifact().digest(), Get(id).export_().digest());
}

TEST_F(StorageServiceTest, ALostResultIsToldNoMoreAndARunReadsItOnceItIsMadeAgain) {
  const std::string worker = Register("a");
  const std::string id = Submit(testing::RtnSpec(2));
  RunToEnd(worker);
  const std::string exported = Get(id).export_().digest();
  wire::ReportLostArtifactsResponse response;
  EXPECT_EQ(ReportLost({exported, "no digest"}, &response).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReportLost(std::vector<std::string>(10'001, exported), &response).error_code(),
            StatusCode::INVALID_ARGUMENT);
  ASSERT_TRUE(ReportLost({exported}, &response).ok());
  EXPECT_EQ(response.given_up(), 1);
  EXPECT_EQ(response.made_again(), 0);
  for (const wire::StoredArtifact& stored : AskForArtifacts()) EXPECT_NE(stored.artifact().digest(), exported);
  EXPECT_EQ(Get(id).export_().digest(), exported) << "the run has its name still";
}

TEST(RetainFlagTest, AKindAndATimeAreARetention) {
  EXPECT_EQ(ParseRetainFlag("checkpoint=30d")->kind, KeptKind::kCheckpoint);
  EXPECT_EQ(ParseRetainFlag("checkpoint=30d")->retain_ms, int64_t{30} * 86'400'000);
  EXPECT_EQ(ParseRetainFlag("tokens=0s")->retain_ms, 0);
  EXPECT_EQ(ParseRetainFlag("export=forever")->retain_ms, std::nullopt);
}

TEST(RetainFlagTest, AnythingElseIsInvalidAndSaysWhatToWrite) {
  for (const char* text :
       {"", "checkpoint", "blocks=3d", "checkpoint=", "checkpoint=3", "checkpoint=-3d", "export=ever"}) {
    const StatusOr<Retention> retention = ParseRetainFlag(text);
    EXPECT_TRUE(absl::IsInvalidArgument(retention.status())) << text;
    EXPECT_THAT(std::string(MessageOf(retention.status())), HasSubstr("write KIND=TIME, as checkpoint=30d")) << text;
  }
}

}  // namespace
}  // namespace lwq::coordinator
