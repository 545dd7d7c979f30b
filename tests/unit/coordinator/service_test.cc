// SPDX-License-Identifier: Apache-2.0
// The services over real gRPC on a port of the system's choice, in this process: status codes, streams, limits.
#include <chrono>
#include <thread>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/client_unary_call.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/health_call.h"
#include "tests/unit/coordinator/service_fixture.h"

namespace lwq::coordinator {
namespace {

using google::protobuf::util::MessageDifferencer;
using grpc::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(ServiceTest, ServerInfoNamesVersionObjectsAndActivations) {
  wire::GetServerInfoResponse response;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::GetServerInfo, {}, &response).ok());
  EXPECT_EQ(response.version(), "1.2.3");
  EXPECT_EQ(response.objects_uri(), "file:///objects");
  EXPECT_EQ(response.activation_bytes_stored(), 0);
  EXPECT_EQ(response.activation_bytes_budget(), SchedulerOptions().activation_bytes);
  Submit(testing::BlockApSpec(1));
  RunToEnd(Register("a"));
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::GetServerInfo, {}, &response).ok());
  EXPECT_GT(response.activation_bytes_stored(), 0);
}

TEST_F(ServiceTest, ARunGoesFromSubmissionToItsResult) {
  const std::string id = Submit(testing::BlockApSpec(2));
  EXPECT_EQ(Get(id).state(), wire::RUN_STATE_PENDING);
  const std::string worker = Register("a");
  wire::Run run = Get(id);
  EXPECT_EQ(run.state(), wire::RUN_STATE_RUNNING);
  EXPECT_EQ(run.tasks_total(), 13);
  EXPECT_EQ(run.tasks_size(), 13);
  EXPECT_EQ(run.plan().tasks().at("train_block"), 2);
  EXPECT_EQ(run.plan().recipe().precision(), "fp32");
  RunToEnd(worker);
  run = Get(id);
  EXPECT_EQ(run.state(), wire::RUN_STATE_SUCCEEDED) << run.error();
  EXPECT_EQ(run.tasks_done(), run.tasks_total());
  EXPECT_EQ(run.tasks_shared(), 0);
  ASSERT_EQ(run.measured_size(), 2);
  EXPECT_EQ(run.measured(0).metric(), "perplexity");
  EXPECT_EQ(run.measured(0).value(), 2.5);
  EXPECT_EQ(run.export_().digest().size(), 64u);
  EXPECT_EQ(run.result_digest().size(), 64u);
  EXPECT_EQ(run.numerics_class(), "cpu|avx512|torch|fp32|t1");
  EXPECT_GT(run.finished_at().seconds(), 0);
  for (const wire::Task& task : run.tasks()) {
    EXPECT_EQ(task.state(), wire::TASK_STATE_SUCCEEDED);
    EXPECT_EQ(task.worker(), "a");
    EXPECT_EQ(task.seconds(), 0.25);
    EXPECT_EQ(task.peak_memory_bytes(), 1000);
    EXPECT_EQ(task.attempts(), 1);
  }
  const std::string again = Submit(testing::BlockApSpec(2));
  EXPECT_EQ(Get(again).state(), wire::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(Get(again).tasks_shared(), 13);
  EXPECT_EQ(Get(again).result_digest(), run.result_digest());
}

TEST_F(ServiceTest, SubmissionErrorsHaveTheCodesOfTheContract) {
  wire::SubmitRunResponse response;
  const auto submit = [&](const wire::SubmitRunRequest& request) {
    return Call(*runs_, &wire::RunService::Stub::SubmitRun, request, &response);
  };
  EXPECT_EQ(submit({}).error_code(), StatusCode::INVALID_ARGUMENT);
  RunSpec spec = testing::BlockApSpec(1);
  spec.recipe.wbits = 7;
  grpc::Status status = submit(Submission(spec));
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("wbits is 7"));
  spec.recipe.wbits = 5;
  EXPECT_EQ(submit(Submission(spec)).error_code(), StatusCode::FAILED_PRECONDITION);
  wire::SubmitRunRequest bad_digest = Submission(testing::BlockApSpec(1));
  bad_digest.mutable_spec()->mutable_model()->mutable_files()->set_digest("ABC");
  status = submit(bad_digest);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("model.files"));
  ASSERT_TRUE(submit(Submission(testing::NoopSpec(1), "request")).ok());
  const std::string first = response.run().id();
  ASSERT_TRUE(submit(Submission(testing::NoopSpec(1), "request")).ok());
  EXPECT_EQ(response.run().id(), first);
  EXPECT_EQ(submit(Submission(testing::NoopSpec(2), "request")).error_code(), StatusCode::ALREADY_EXISTS);
}

TEST_F(ServiceTest, SeveralRunsAreSubmittedInOneCallAndARepeatedCallReturnsThem) {
  Register("a");
  wire::SubmitRunsRequest request;
  *request.add_runs() = Submission(testing::BlockApSpec(2), "one");
  *request.add_runs() = Submission(testing::NoopSpec(3), "two");
  wire::SubmitRunsResponse response;
  const auto submit = [&] { return Call(*runs_, &wire::RunService::Stub::SubmitRuns, request, &response); };
  ASSERT_TRUE(submit().ok());
  ASSERT_EQ(response.runs_size(), 2);
  EXPECT_EQ(response.plans_size(), 0);
  EXPECT_EQ(response.runs(0).state(), wire::RUN_STATE_RUNNING);
  EXPECT_EQ(response.runs(0).tasks_total(), 13);
  EXPECT_EQ(response.runs(0).tasks_size(), 0);
  EXPECT_EQ(response.runs(0).plan().blocks_size(), 2);
  EXPECT_EQ(response.runs(1).tasks_total(), 3);
  const std::string first = response.runs(0).id();
  *request.mutable_runs(1) = Submission(testing::NoopSpec(4), "three");
  ASSERT_TRUE(submit().ok());
  EXPECT_EQ(response.runs(0).id(), first) << "this one was there";
  EXPECT_EQ(response.runs(1).tasks_total(), 4) << "this one was not";
  wire::ListRunsResponse list;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ListRuns, {}, &list).ok());
  EXPECT_EQ(list.runs_size(), 3);
}

TEST_F(ServiceTest, OfSeveralRunsNoneIsAcceptedWhereOneIsRefusedAndTheErrorNamesIt) {
  wire::SubmitRunsRequest request;
  const auto refusal = [&] {
    wire::SubmitRunsResponse response;
    const grpc::Status status = Call(*runs_, &wire::RunService::Stub::SubmitRuns, request, &response);
    EXPECT_EQ(response.runs_size() + response.plans_size(), 0);
    return absl::StrCat(status.error_code(), " ", status.error_message());
  };
  const auto invalid = absl::StrCat(StatusCode::INVALID_ARGUMENT, " ");
  for (const bool validate_only : {false, true}) {
    request.Clear();
    request.set_validate_only(validate_only);
    EXPECT_EQ(refusal(), invalid + "runs is empty: give at least one");
    RunSpec wrong = testing::BlockApSpec(1);
    wrong.name = "second";
    wrong.recipe.wbits = 7;
    *request.add_runs() = Submission(testing::NoopSpec(1), "id");
    *request.add_runs() = Submission(wrong, "another id");
    EXPECT_THAT(refusal(), StartsWith(invalid + "run 2 of 2 (second): recipe: wbits is 7"));
    *request.mutable_runs(1) = Submission(testing::BlockApSpec(1));
    request.mutable_runs(1)->mutable_spec()->mutable_model()->mutable_files()->set_digest("ABC");
    EXPECT_THAT(refusal(), AllOf(StartsWith(invalid + "run 2 of 2"), HasSubstr("model.files")));
    *request.mutable_runs(1) = Submission(testing::NoopSpec(2), "id");
    EXPECT_EQ(refusal(), invalid + "run 2 of 2 (noop): request_id 'id' is that of run 1 too: give each run its own");
    request.clear_runs();
    for (int i = 0; i < 1001; ++i) *request.add_runs() = Submission(testing::NoopSpec(1));
    EXPECT_EQ(refusal(), invalid + "runs has 1001 entries, at most 1000 are accepted at once: submit them in parts");
  }
  wire::ListRunsResponse list;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ListRuns, {}, &list).ok());
  EXPECT_EQ(list.runs_size(), 0);
}

TEST_F(ServiceTest, AValidationAnswersPlansAndWhatASubmissionWouldAndStoresNothing) {
  wire::SubmitRunsRequest request;
  request.set_validate_only(true);
  *request.add_runs() = Submission(testing::BlockApSpec(2), "id");
  *request.add_runs() = Submission(testing::NoopSpec(3));
  wire::SubmitRunsResponse response;
  const auto validate = [&] { return Call(*runs_, &wire::RunService::Stub::SubmitRuns, request, &response); };
  ASSERT_TRUE(validate().ok());
  EXPECT_EQ(response.runs_size(), 0);
  ASSERT_EQ(response.plans_size(), 2);
  EXPECT_EQ(response.plans(0).blocks_size(), 2);
  EXPECT_EQ(response.plans(0).recipe().wbits(), 2);
  EXPECT_EQ(response.plans(1).recipe().method(), "noop");
  wire::ListRunsResponse list;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ListRuns, {}, &list).ok());
  EXPECT_EQ(list.runs_size(), 0);

  wire::SubmitRunResponse submitted;
  ASSERT_TRUE(
      Call(*runs_, &wire::RunService::Stub::SubmitRun, Submission(testing::NoopSpec(1), "id"), &submitted).ok());
  const grpc::Status used = validate();
  EXPECT_EQ(used.error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(used.error_message(), StartsWith("run 1 of 2"));
  request.mutable_runs(0)->clear_request_id();
  wire::RegisterWorkerRequest small;
  small.set_numerics_class("cpu|avx512|torch");
  small.set_memory_bytes(1);
  small.set_max_threads(4);
  wire::RegisterWorkerResponse registered;
  ASSERT_TRUE(Call(*workers_, &wire::WorkerService::Stub::RegisterWorker, small, &registered).ok());
  const grpc::Status unfit = validate();
  EXPECT_EQ(unfit.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(unfit.error_message(), AllOf(StartsWith("run 1 of 2"), HasSubstr("of memory")));
}

TEST_F(ServiceTest, PlanRunShowsWithoutStoring) {
  wire::PlanRunRequest request;
  ToWire(testing::BlockApSpec(3), request.mutable_spec());
  wire::PlanRunResponse response;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::PlanRun, request, &response).ok());
  EXPECT_EQ(response.plan().blocks_size(), 3);
  EXPECT_EQ(response.plan().tasks().at("advance"), 5);
  EXPECT_GT(response.plan().peak_memory_bytes(), 0);
  EXPECT_GT(response.plan().remarks_size(), 0);
  wire::ListRunsResponse list;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ListRuns, {}, &list).ok());
  EXPECT_EQ(list.runs_size(), 0);
  request.mutable_spec()->mutable_recipe()->set_epochs(-1);
  EXPECT_EQ(Call(*runs_, &wire::RunService::Stub::PlanRun, request, &response).error_code(),
            StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServiceTest, KindsArePinnedByNameAndAnUnknownNameIsInvalid) {
  const std::string worker = Register("a");
  wire::SubmitRunRequest request = Submission(testing::BlockApSpec(1));
  (*request.mutable_spec()->mutable_kind_classes())["advance"] = "cpu|avx512|torch";
  wire::SubmitRunResponse response;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::SubmitRun, request, &response).ok());
  EXPECT_EQ(response.run().spec().kind_classes().at("advance"), "cpu|avx512|torch");
  EXPECT_EQ(response.run().kind_classes_size(), 4);
  for (const char* kind : {"advance", "train_block", "evaluate_ppl", "reduce_ppl"}) {
    EXPECT_EQ(response.run().kind_classes().at(kind), "cpu|avx512|torch|fp32|t1");
  }
  for (const char* kind : {"fly", "export"}) {
    request.mutable_spec()->clear_kind_classes();
    (*request.mutable_spec()->mutable_kind_classes())[kind] = "cpu|avx512|torch";
    const grpc::Status status = Call(*runs_, &wire::RunService::Stub::SubmitRun, request, &response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << kind;
    EXPECT_THAT(status.error_message(), HasSubstr("kind_classes"));
  }
}

TEST_F(ServiceTest, APlanEstimatesEveryClassAndAFinishedRunTellsItsScheduleForOtherWorkers) {
  const std::string worker = Register("a");
  const std::string id = Submit(testing::BlockApSpec(2));
  wire::ScheduleRunRequest schedule;
  schedule.set_run_id(id);
  for (const int workers : {1, 2, 32}) schedule.add_workers(workers);
  wire::ScheduleRunResponse scheduled;
  const auto ask = [&] { return Call(*runs_, &wire::RunService::Stub::ScheduleRun, schedule, &scheduled); };
  EXPECT_EQ(ask().error_code(), StatusCode::FAILED_PRECONDITION);
  RunToEnd(worker);
  ASSERT_TRUE(ask().ok());
  ASSERT_EQ(scheduled.schedules_size(), 3);
  EXPECT_EQ(scheduled.schedules(0).workers(), 1);
  EXPECT_DOUBLE_EQ(scheduled.schedules(0).seconds(), 13 * 0.25);
  EXPECT_LT(scheduled.schedules(2).seconds(), scheduled.schedules(0).seconds());
  EXPECT_EQ(scheduled.schedules(2).workers(), 32);
  schedule.add_workers(0);
  EXPECT_EQ(ask().error_code(), StatusCode::INVALID_ARGUMENT);
  schedule.clear_workers();
  for (int i = 0; i < 17; ++i) schedule.add_workers(1);
  EXPECT_EQ(ask().error_code(), StatusCode::INVALID_ARGUMENT);
  schedule.set_run_id("ffffffff");
  EXPECT_EQ(ask().error_code(), StatusCode::NOT_FOUND);

  wire::PlanRunRequest request;
  RunSpec other = testing::BlockApSpec(2);
  other.recipe.seed = 77;
  ToWire(other, request.mutable_spec());
  wire::PlanRunResponse response;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::PlanRun, request, &response).ok());
  EXPECT_GT(response.plan().estimated_seconds(), 1);
  EXPECT_EQ(response.plan().estimates_size(), response.plan().tasks_size());
  for (const wire::ClassEstimate& estimate : response.plan().estimates()) {
    EXPECT_EQ(estimate.numerics_class(), "cpu|avx512|torch");
    EXPECT_EQ(estimate.workers(), 1);
    EXPECT_EQ(estimate.tasks(), response.plan().tasks().at(estimate.kind()));
    EXPECT_NEAR(estimate.seconds(), 0.25, 1e-9);
    EXPECT_EQ(estimate.problem(), "");
    EXPECT_EQ(estimate.chosen(), IsPinnedKind(*ParseTaskKind(estimate.kind())));
  }
}

TEST_F(ServiceTest, ListsAreNewestFirstAndPaged) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(Submit(testing::NoopSpec(1, i)));
  std::vector<std::string> seen;
  wire::ListRunsRequest request;
  request.set_page_size(2);
  do {
    wire::ListRunsResponse page;
    ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ListRuns, request, &page).ok());
    EXPECT_LE(page.runs_size(), 2);
    for (const wire::Run& run : page.runs()) {
      seen.push_back(run.id());
      EXPECT_EQ(run.tasks_size(), 0) << "lists carry no tasks";
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  std::reverse(ids.begin(), ids.end());
  EXPECT_EQ(seen, ids);
  for (const char* token : {"x", "before-", "before-0", "before--1", "before-1x", "before-99999999999999999999"}) {
    request.set_page_token(token);
    wire::ListRunsResponse page;
    EXPECT_EQ(Call(*runs_, &wire::RunService::Stub::ListRuns, request, &page).error_code(),
              StatusCode::INVALID_ARGUMENT)
        << token;
  }
}

TEST_F(ServiceTest, UnknownRunsAreNotFoundEverywhere) {
  wire::GetRunResponse get;
  wire::GetRunRequest get_request;
  get_request.set_run_id("ffffffff");
  EXPECT_EQ(Call(*runs_, &wire::RunService::Stub::GetRun, get_request, &get).error_code(), StatusCode::NOT_FOUND);
  wire::CancelRunResponse cancel;
  wire::CancelRunRequest cancel_request;
  cancel_request.set_run_id("ffffffff");
  EXPECT_EQ(Call(*runs_, &wire::RunService::Stub::CancelRun, cancel_request, &cancel).error_code(),
            StatusCode::NOT_FOUND);
  wire::GetRunLogsResponse logs;
  wire::GetRunLogsRequest logs_request;
  logs_request.set_run_id("ffffffff");
  EXPECT_EQ(Call(*runs_, &wire::RunService::Stub::GetRunLogs, logs_request, &logs).error_code(), StatusCode::NOT_FOUND);
  grpc::ClientContext context;
  wire::WatchRunRequest watch_request;
  watch_request.set_run_id("ffffffff");
  auto stream = runs_->WatchRun(&context, watch_request);
  wire::WatchRunResponse message;
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::NOT_FOUND);
}

TEST_F(ServiceTest, AWatchSendsTheRunAtOnceAndEndsAfterTheTerminalState) {
  const std::string worker = Register("a");
  const std::string id = Submit(testing::NoopSpec(3));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kFar);
  wire::WatchRunRequest request;
  request.set_run_id(id);
  auto stream = runs_->WatchRun(&context, request);
  wire::WatchRunResponse message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.run().state(), wire::RUN_STATE_RUNNING);
  EXPECT_EQ(message.run().tasks_size(), 3);
  RunToEnd(worker);
  clock_.Advance(100);
  while (stream->Read(&message)) {
  }
  EXPECT_EQ(message.run().state(), wire::RUN_STATE_SUCCEEDED);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ServiceTest, AWatchOfChangesGoesOnAtItsToken) {
  const std::string worker = Register("a");
  const std::string id = Submit(testing::NoopSpec(3));
  const auto first = [&](const std::string& token, bool changes_only, wire::WatchRunResponse* message) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kFar);
    wire::WatchRunRequest request;
    request.set_run_id(id);
    request.set_changes_only(changes_only);
    request.set_resume_token(token);
    const auto stream = runs_->WatchRun(&context, request);
    const bool read = stream->Read(message);
    if (read) context.TryCancel();
    const grpc::Status status = stream->Finish();
    return read ? StatusCode::OK : status.error_code();
  };
  wire::WatchRunResponse whole, change;
  ASSERT_EQ(first("", true, &whole), StatusCode::OK);
  EXPECT_FALSE(whole.is_change());
  ASSERT_EQ(first(whole.resume_token(), true, &change), StatusCode::OK);
  EXPECT_TRUE(change.is_change());
  EXPECT_EQ(change.run().tasks_size(), 0) << "nothing has changed";
  LeaseTo(worker);
  ASSERT_EQ(first(whole.resume_token(), true, &change), StatusCode::OK);
  EXPECT_TRUE(change.is_change());
  EXPECT_EQ(change.run().tasks_size(), 1);
  ASSERT_EQ(first(absl::StrCat(id, ".0.1"), true, &change), StatusCode::OK);
  EXPECT_FALSE(change.is_change()) << "of an earlier start of the coordinator";
  EXPECT_EQ(first(whole.resume_token(), false, &change), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(first("ffffffffffff.1.1", true, &change), StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServiceTest, AWatcherThatHangsUpIsLetGo) {
  const std::string id = Submit(testing::NoopSpec(1));
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    wire::WatchRunRequest request;
    request.set_run_id(id);
    auto stream = runs_->WatchRun(&context, request);
    wire::WatchRunResponse message;
    ASSERT_TRUE(stream->Read(&message));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  }
  RunToEnd(Register("a"));
  EXPECT_EQ(Get(id).state(), wire::RUN_STATE_SUCCEEDED);
}

TEST(ConvertWorkerTest, NumbersInReportsThatTheStoreCannotHoldAreInvalid) {
  wire::ReportTaskRequest good;
  good.set_task_key(DigestOf(std::string_view("task")).hex());
  ToWire(testing::NamedArtifact("x"), &(*good.mutable_success()->mutable_outputs())["block"]);
  ASSERT_TRUE(FromWire(good).ok()) << FromWire(good).status();
  const auto code = [&good](void (*spoil)(wire::ReportTaskRequest&)) {
    wire::ReportTaskRequest bad = good;
    spoil(bad);
    return FromWire(bad).status().code();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code([](auto& r) { r.set_seconds(std::numeric_limits<double>::quiet_NaN()); }), kInvalid);
  EXPECT_EQ(code([](auto& r) { r.set_seconds(std::numeric_limits<double>::infinity()); }), kInvalid);
  EXPECT_EQ(code([](auto& r) { r.set_seconds(-1); }), kInvalid);
  EXPECT_EQ(code([](auto& r) { r.set_peak_memory_bytes(-1); }), kInvalid);
  EXPECT_EQ(code([](auto& r) { r.set_peak_rss_bytes(-1); }), kInvalid);
  const auto size = [](wire::ReportTaskRequest& r) -> wire::ArtifactRef& {
    return r.mutable_success()->mutable_outputs()->at("block");
  };
  for (const int64_t bytes : {int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    wire::ReportTaskRequest bad = good;
    size(bad).set_size_bytes(bytes);
    EXPECT_EQ(FromWire(bad).status().code(), kInvalid) << bytes;
  }
}

TEST(ConvertWorkerTest, HeartbeatsCarryWhatWasAndWhatIsToBeDeleted) {
  wire::HeartbeatRequest request;
  request.add_discarded(DigestOf("gone").hex());
  EXPECT_THAT(FromWire(request)->discarded, ::testing::ElementsAre(DigestOf("gone")));
  request.add_discarded("no digest");
  EXPECT_EQ(FromWire(request).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(MessageOf(FromWire(request).status())), HasSubstr("discarded"));

  HeartbeatReply reply;
  reply.discard = {testing::NamedArtifact("activations")};
  wire::HeartbeatResponse response;
  ToWire(reply, &response);
  ASSERT_EQ(response.discard_size(), 1);
  EXPECT_EQ(response.discard(0).digest(), reply.discard[0].digest.hex());
  EXPECT_EQ(response.discard(0).size_bytes(), reply.discard[0].size_bytes);
}

TEST_F(ServiceTest, CancelStopsARunAndHeartbeatsSaySo) {
  const std::string worker = Register("a");
  const std::string id = Submit(testing::NoopSpec(1));
  const wire::Lease lease = LeaseTo(worker).lease();
  wire::CancelRunRequest request;
  request.set_run_id(id.substr(0, 6));
  wire::CancelRunResponse response;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::CancelRun, request, &response).ok());
  EXPECT_EQ(response.run().state(), wire::RUN_STATE_CANCELLED);
  wire::HeartbeatRequest beat;
  beat.set_worker_id(worker);
  wire::TaskProgress* progress = beat.add_tasks();
  progress->set_task_key(lease.task_key());
  progress->set_token(lease.token());
  wire::HeartbeatResponse beat_response;
  ASSERT_TRUE(Call(*workers_, &wire::WorkerService::Stub::Heartbeat, beat, &beat_response).ok());
  ASSERT_EQ(beat_response.lost_size(), 1);
  EXPECT_EQ(beat_response.lost(0).task_key(), lease.task_key());
  wire::ReportTaskResponse report_response;
  EXPECT_EQ(
      Call(*workers_, &wire::WorkerService::Stub::ReportTask, Success(worker, lease), &report_response).error_code(),
      StatusCode::ABORTED);
}

TEST_F(ServiceTest, LogsArePagedBySequence) {
  const std::string worker = Register("a");
  const std::string id = Submit(testing::NoopSpec(10));
  RunToEnd(worker);
  wire::GetRunLogsRequest request;
  request.set_run_id(id);
  request.set_page_size(5);
  int lines = 0;
  while (true) {
    wire::GetRunLogsResponse page;
    ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::GetRunLogs, request, &page).ok());
    for (const wire::LogLine& line : page.lines()) {
      EXPECT_GT(line.sequence(), request.after());
      request.set_after(line.sequence());
      ++lines;
    }
    if (!page.more()) break;
  }
  EXPECT_EQ(lines, 12) << "submitted, ten attempts, succeeded";
}

TEST_F(ServiceTest, WorkersAreListedWithWhatTheyDo) {
  const std::string worker = Register("a");
  Submit(testing::NoopSpec(1));
  LeaseTo(worker);
  clock_.Advance(1500);
  wire::ListWorkersResponse response;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ListWorkers, {}, &response).ok());
  ASSERT_EQ(response.workers_size(), 1);
  EXPECT_EQ(response.workers(0).name(), "a");
  EXPECT_EQ(response.workers(0).task(), "no-op 0");
  EXPECT_TRUE(response.workers(0).alive());
  EXPECT_EQ(response.workers(0).since_heartbeat().seconds(), 1);
}

TEST_F(ServiceTest, AWorkerInQuarantineIsShownAndReleased) {
  const std::string worker = Register("a");
  Register("b");
  for (int seed = 1; seed <= 2; ++seed) {
    Submit(testing::NoopSpec(1, seed));
    wire::ReportTaskRequest report = Success(worker, LeaseTo(worker).lease());
    report.mutable_failure()->set_cause(wire::FAILURE_CAUSE_DEVICE);
    report.mutable_failure()->set_message("ECC error");
    wire::ReportTaskResponse response;
    ASSERT_TRUE(Call(*workers_, &wire::WorkerService::Stub::ReportTask, report, &response).ok());
  }
  wire::ListWorkersResponse listed;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ListWorkers, {}, &listed).ok());
  EXPECT_EQ(listed.workers(0).quarantine().seconds(), 30);
  EXPECT_EQ(listed.workers(0).failures(), "2 tasks of 2 runs failed on it and on no other worker; last: ECC error");
  EXPECT_FALSE(listed.workers(1).has_quarantine());
  wire::ReleaseWorkerRequest release;
  release.set_worker("nobody");
  wire::ReleaseWorkerResponse released;
  EXPECT_EQ(Call(*runs_, &wire::RunService::Stub::ReleaseWorker, release, &released).error_code(),
            StatusCode::NOT_FOUND);
  release.set_worker("a");
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ReleaseWorker, release, &released).ok());
  EXPECT_EQ(released.worker().name(), "a");
  EXPECT_FALSE(released.worker().has_quarantine());
  EXPECT_EQ(released.worker().failures(), "");
}

TEST_F(ServiceTest, WorkerErrorsHaveTheCodesOfTheContract) {
  wire::RegisterWorkerResponse registered;
  EXPECT_EQ(Call(*workers_, &wire::WorkerService::Stub::RegisterWorker, {}, &registered).error_code(),
            StatusCode::INVALID_ARGUMENT);
  wire::RegisterWorkerRequest unknown_kind;
  unknown_kind.set_numerics_class("c");
  unknown_kind.set_memory_bytes(1);
  unknown_kind.set_max_threads(1);
  unknown_kind.add_kinds("fly");
  EXPECT_EQ(Call(*workers_, &wire::WorkerService::Stub::RegisterWorker, unknown_kind, &registered).error_code(),
            StatusCode::INVALID_ARGUMENT);
  wire::LeaseTaskRequest lease;
  lease.set_worker_id("w-77");
  wire::LeaseTaskResponse leased;
  EXPECT_EQ(Call(*workers_, &wire::WorkerService::Stub::LeaseTask, lease, &leased).error_code(), StatusCode::NOT_FOUND);
  wire::HeartbeatRequest beat;
  beat.set_worker_id("w-77");
  wire::HeartbeatResponse beaten;
  EXPECT_EQ(Call(*workers_, &wire::WorkerService::Stub::Heartbeat, beat, &beaten).error_code(), StatusCode::NOT_FOUND);
  beat.add_tasks()->set_task_key("zz");
  EXPECT_EQ(Call(*workers_, &wire::WorkerService::Stub::Heartbeat, beat, &beaten).error_code(),
            StatusCode::INVALID_ARGUMENT);
  wire::ReportTaskRequest report;
  report.set_worker_id(Register("a"));
  report.set_task_key(std::string(64, 'a'));
  wire::ReportTaskResponse reported;
  EXPECT_EQ(Call(*workers_, &wire::WorkerService::Stub::ReportTask, report, &reported).error_code(),
            StatusCode::INVALID_ARGUMENT)
      << "no outcome";
  report.mutable_failure()->set_cause(wire::FAILURE_CAUSE_UNSPECIFIED);
  EXPECT_EQ(Call(*workers_, &wire::WorkerService::Stub::ReportTask, report, &reported).error_code(),
            StatusCode::INVALID_ARGUMENT)
      << "no cause";
  report.mutable_released();
  EXPECT_EQ(Call(*workers_, &wire::WorkerService::Stub::ReportTask, report, &reported).error_code(),
            StatusCode::ABORTED);
}

TEST_F(ServiceTest, AWaitForALeaseEndsBeforeTheCallersDeadline) {
  const std::string worker = Register("a");
  grpc::ClientContext context;
  // Far from now for gRPC; the coordinator's clock stands still, so the wait ends by its own length only.
  context.set_deadline(std::chrono::system_clock::now() + kFar);
  wire::LeaseTaskRequest request;
  request.set_worker_id(worker);
  request.mutable_max_wait()->set_seconds(3600);
  wire::LeaseTaskResponse response;
  std::thread waiter([&] { EXPECT_TRUE(workers_->LeaseTask(&context, request, &response).ok()); });
  Submit(testing::NoopSpec(1));
  waiter.join();
  EXPECT_TRUE(response.has_lease());
}

TEST_F(ServiceTest, StoppingAnswersWaitingWorkersWithUnavailable) {
  const std::string worker = Register("a");
  wire::LeaseTaskRequest request;
  request.set_worker_id(worker);
  request.mutable_max_wait()->set_seconds(30);
  std::thread waiter([&] {
    wire::LeaseTaskResponse response;
    const grpc::Status status = Call(*workers_, &wire::WorkerService::Stub::LeaseTask, request, &response);
    EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  });
  // The wait may begin before or after the stop: both are answered the same.
  runtime_->Stop();
  waiter.join();
}

TEST_F(ServiceTest, MessagesBeyondTheLimitAreRefused) {
  wire::SubmitRunRequest request = Submission(testing::NoopSpec(1));
  request.mutable_spec()->mutable_model()->set_config_json(std::string(17 << 20, ' '));
  wire::SubmitRunResponse response;
  EXPECT_EQ(Call(*runs_, &wire::RunService::Stub::SubmitRun, request, &response).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ServiceTest, HealthSaysServingForTheServerAndEveryService) {
  for (const std::string service : {"", "live", "lwqat.v1.RunService", "lwqat.v1.SweepService",
                                    "lwqat.v1.StorageService", "lwqat.v1.WorkerService"}) {
    EXPECT_EQ(AskHealth(channel_, service), kServing) << service;
  }
}

TEST_F(ServiceTest, ReflectionListsEveryService) {
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kFar);
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  const auto next = [&] { return queue.Next(&tag, &ok) && ok; };
  auto call = stub.PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(next());
  call->Write(Bytes("\x3a\x01*"), nullptr);  // list_services: "*"
  ASSERT_TRUE(next());
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  ASSERT_TRUE(next());
  EXPECT_THAT(Text(response), HasSubstr("lwqat.v1.RunService"));
  EXPECT_THAT(Text(response), HasSubstr("lwqat.v1.SweepService"));
  EXPECT_THAT(Text(response), HasSubstr("lwqat.v1.WorkerService"));
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
}

TEST(ServerTest, AddressesThatAreNotHostAndPortAreRefused) {
  testing::ManualClock clock;
  const auto runtime = Runtime::Start({}, std::make_unique<MemoryStore>(), &clock);
  ASSERT_TRUE(runtime.ok());
  for (const char* listen : {"", "localhost", ":1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "127.0.0.1:-1"}) {
    ServerOptions options;
    options.listen = listen;
    EXPECT_EQ(Server::Start(options, runtime->get()).status().code(), absl::StatusCode::kInvalidArgument) << listen;
  }
}

TEST(ServerTest, APortInUseIsRefused) {
  testing::ManualClock clock;
  const auto runtime = Runtime::Start({}, std::make_unique<MemoryStore>(), &clock);
  ASSERT_TRUE(runtime.ok());
  const auto first = Server::Start({}, runtime->get());
  ASSERT_TRUE(first.ok());
  ServerOptions options;
  options.listen = (*first)->address();
  const auto second = Server::Start(options, runtime->get());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(second.status())), HasSubstr("cannot listen on"));
}

TEST(ConvertTest, TheCoresRecipeHasExactlyTheFieldsOfTheMessage) {
  std::set<std::string> core;
  PartialRecipe recipe;
  ForEachRecipeField([&](std::string_view name, const auto&) { core.insert(std::string(name)); }, recipe);
  std::set<std::string> message;
  for (int i = 0; i < wire::Recipe::descriptor()->field_count(); ++i) {
    message.insert(wire::Recipe::descriptor()->field(i)->name());
  }
  EXPECT_EQ(core, message);
}

TEST(ConvertTest, SpecsComeBackEqual) {
  RunSpec spec = testing::BlockApSpec(2);
  spec.priority = -4;
  spec.numerics_class = "a|b|c";
  spec.kind_classes = {{TaskKind::kAdvance, "d|e|f"}, {TaskKind::kLossDelta, "g|h|i"}};
  spec.recipe.preset = "strong";
  spec.recipe.zp_lr = 1e-3;
  spec.recipe.eval_fp = false;
  spec.recipe.divergence_retries = 0;
  wire::RunSpec message;
  ToWire(spec, &message);
  const StatusOr<RunSpec> again = FromWire(message);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(RunSpecToJson(*again), RunSpecToJson(spec));
  wire::RunSpec message_again;
  ToWire(*again, &message_again);
  EXPECT_TRUE(MessageDifferencer::Equals(message, message_again));
  EXPECT_FALSE(message.recipe().has_epochs()) << "absent stays absent";
  EXPECT_TRUE(message.recipe().has_divergence_retries()) << "zero is a value";
}

TEST(ConvertTest, EveryStateHasItsNameOnTheWire) {
  for (int i = 0; i < kRunStates; ++i) {
    const auto state = static_cast<RunState>(i);
    EXPECT_EQ(wire::RunState_Name(ToWire(state)), absl::StrCat("RUN_STATE_", RunStateName(state)));
  }
  for (int i = 0; i < kTaskStates; ++i) {
    const auto state = static_cast<TaskState>(i);
    EXPECT_EQ(wire::TaskState_Name(ToWire(state)), absl::StrCat("TASK_STATE_", TaskStateName(state)));
  }
}

TEST(ConvertTest, DurationsAreClamped) {
  google::protobuf::Duration duration;
  duration.set_seconds(-5);
  EXPECT_EQ(ClampedMs(duration, 1000), 0);
  duration.set_seconds(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ClampedMs(duration, 60'000), 60'000);
  duration.set_seconds(1);
  duration.set_nanos(500'000'000);
  EXPECT_EQ(ClampedMs(duration, 60'000), 1500);
  SetDuration(2250, &duration);
  EXPECT_EQ(duration.seconds(), 2);
  EXPECT_EQ(duration.nanos(), 250'000'000);
}

TEST_F(ServiceTest, AWatchOfAllRunsSendsThemThenWhatChangedAndNoSoonerThanItWasAskedTo) {
  const std::string first = Submit(testing::NoopSpec(2));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kFar);
  wire::WatchRunsRequest request;
  request.set_interval_ms(1000);
  const auto stream = runs_->WatchRuns(&context, request);
  wire::WatchRunsResponse message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_TRUE(message.all_again());
  ASSERT_EQ(message.runs_size(), 1);
  EXPECT_EQ(message.runs(0).id(), first);
  // What happens in between comes together.
  const std::string second = Submit(testing::NoopSpec(2));
  clock_.Advance(100);
  const std::string third = Submit(testing::NoopSpec(2));
  clock_.Advance(1000);
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_FALSE(message.all_again());
  EXPECT_EQ(message.runs_size(), 2);
  // A stream that goes on there is answered at once, and with nothing.
  grpc::ClientContext again;
  again.set_deadline(std::chrono::system_clock::now() + kFar);
  request.set_resume_token(message.resume_token());
  const auto resumed = runs_->WatchRuns(&again, request);
  ASSERT_TRUE(resumed->Read(&message));
  EXPECT_FALSE(message.all_again());
  EXPECT_EQ(message.runs_size(), 0);
  again.TryCancel();
  context.TryCancel();
}

TEST_F(ServiceTest, AWatchOfAllRunsRefusesWhatItCannotMean) {
  const auto refusal = [&](const std::function<void(wire::WatchRunsRequest*)>& spoil) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kFar);
    wire::WatchRunsRequest request;
    spoil(&request);
    const auto stream = runs_->WatchRuns(&context, request);
    wire::WatchRunsResponse message;
    EXPECT_FALSE(stream->Read(&message));
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    return status.error_message();
  };
  EXPECT_EQ(refusal([](auto* request) { request->set_newest(-1); }), "newest: -1 is not between 0 and 10000");
  EXPECT_EQ(refusal([](auto* request) { request->set_newest(10'001); }), "newest: 10001 is not between 0 and 10000");
  EXPECT_EQ(refusal([](auto* request) { request->set_interval_ms(60'001); }),
            "interval_ms: 60001 is not between 0 and 60000");
  EXPECT_THAT(refusal([](auto* request) { request->set_resume_token("x"); }), ::testing::HasSubstr("resume_token"));
}

TEST_F(ServiceTest, AWatchOfTheNewestRunsLeavesTheOthersOut) {
  for (int i = 0; i < 300; ++i) Submit(testing::NoopSpec(1));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kFar);
  wire::WatchRunsRequest request;
  request.set_newest(10);
  const auto stream = runs_->WatchRuns(&context, request);
  wire::WatchRunsResponse message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_GE(message.runs_size(), 10);
  EXPECT_LT(message.runs_size(), 10 + 128);
  EXPECT_FALSE(message.more());
  context.TryCancel();
}

}  // namespace
}  // namespace lwq::coordinator
