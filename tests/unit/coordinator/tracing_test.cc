// SPDX-License-Identifier: Apache-2.0
// Logs and traces over real gRPC: what a caller's trace context becomes, which spans are sent, what the process logs of
// runs, and whose lines GetRunLogs shows.
#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "common/json/json.h"
#include "common/log/log.h"
#include "common/trace/otlp_exporter.h"
#include "coordinator/service/process_log.h"
#include "coordinator/service/tracing.h"
#include "gmock/gmock.h"
#include "tests/testing/http_receiver.h"
#include "tests/unit/coordinator/service_fixture.h"

namespace lwq::coordinator {
namespace {

using grpc::StatusCode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTraceId[] = "0af7651916cd43dd8448eb211c80319c";
constexpr char kCaller[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class RunLogTest : public ServiceTest {
 protected:
  wire::GetRunLogsResponse Logs(const std::string& run, const std::string& task = "", int page_size = 0) {
    wire::GetRunLogsRequest request;
    request.set_run_id(run);
    request.set_task(task);
    request.set_page_size(page_size);
    wire::GetRunLogsResponse response;
    status_ = Call(*runs_, &wire::RunService::Stub::GetRunLogs, request, &response);
    return response;
  }
  static std::vector<std::string> Texts(const wire::GetRunLogsResponse& response) {
    std::vector<std::string> texts;
    for (const wire::LogLine& line : response.lines()) texts.push_back(line.text());
    return texts;
  }
  grpc::Status status_;
};

TEST_F(RunLogTest, LinesOfOneTaskAreAskedForByTitleOrKeyAndNameTheAttempt) {
  const std::string worker = Register("a");
  const std::string run = Submit(testing::NoopSpec(3));
  const wire::Lease lease = LeaseTo(worker).lease();
  EXPECT_EQ(lease.run_id(), run);
  EXPECT_EQ(lease.traceparent(), "");
  wire::ReportTaskRequest report = Success(worker, lease);
  report.add_log_lines("one");
  report.add_log_lines("two");
  report.set_first_log_line(0);
  wire::ReportTaskResponse reported;
  ASSERT_TRUE(Call(*workers_, &wire::WorkerService::Stub::ReportTask, report, &reported).ok());
  RunToEnd(worker);
  for (const std::string& name : {lease.title(), lease.task_key().substr(0, 12)}) {
    const wire::GetRunLogsResponse response = Logs(run, name);
    EXPECT_THAT(Texts(response), ElementsAre("one", "two", HasSubstr("attempt 1 succeeded"))) << name;
    EXPECT_FALSE(response.more());
    for (const wire::LogLine& line : response.lines()) {
      EXPECT_EQ(line.task(), lease.title());
      EXPECT_EQ(line.task_key(), lease.task_key());
      EXPECT_EQ(line.attempt(), 1);
    }
  }
  EXPECT_TRUE(Logs(run, lease.title(), 2).more());
  EXPECT_EQ(Logs(run, lease.title(), 3).more(), false) << "lines of other tasks are no more of this one";
  EXPECT_EQ(Logs(run).lines(0).task_key(), "") << "it is about the run";
  Logs(run, "no such task");
  EXPECT_EQ(status_.error_code(), StatusCode::NOT_FOUND);
}

TEST_F(RunLogTest, NoTokenThatAWorkerQuotesIsKept) {
  const std::string token = "lwq_" + std::string(43, 'x');
  const std::string worker = Register("a");
  const std::string run = Submit(testing::NoopSpec(1));
  const wire::Lease lease = LeaseTo(worker).lease();
  wire::HeartbeatRequest beat;
  beat.set_worker_id(worker);
  wire::TaskProgress* progress = beat.add_tasks();
  progress->set_task_key(lease.task_key());
  progress->set_token(lease.token());
  progress->add_log_lines("beats " + token);
  wire::HeartbeatResponse beaten;
  ASSERT_TRUE(Call(*workers_, &wire::WorkerService::Stub::Heartbeat, beat, &beaten).ok());
  wire::ReportTaskRequest report;
  report.set_worker_id(worker);
  report.set_task_key(lease.task_key());
  report.set_token(lease.token());
  report.add_log_lines("reports " + token);
  report.mutable_failure()->set_cause(wire::FAILURE_CAUSE_TASK);
  report.mutable_failure()->set_message("failed " + token);
  wire::ReportTaskResponse reported;
  ASSERT_TRUE(Call(*workers_, &wire::WorkerService::Stub::ReportTask, report, &reported).ok());
  const wire::GetRunLogsResponse logs = Logs(run);
  EXPECT_THAT(logs.DebugString(), AllOf(HasSubstr("beats lwq_[redacted]"), HasSubstr("reports lwq_[redacted]"),
                                        HasSubstr("failed lwq_[redacted]"), Not(HasSubstr(token))));
  EXPECT_THAT(Get(run).DebugString(), Not(HasSubstr(token)));
}

// The services with an exporter whose collector is a local receiver.
class TracingTest : public ServiceTest {
 protected:
  TracingTest() {
    OtlpOptions otlp;
    otlp.endpoint = receiver_.url();
    otlp.interval_ms = 600'000;
    spans_ = OtlpExporter::Start(otlp).value();
    runtime_->Stop();
    server_->Shutdown(1000);
    server_.reset();
    RuntimeOptions options;
    options.on_committed = [this](std::span<const Change> changes, const State& state) {
      LogCommitted(changes, state);
      SendEndedRuns(changes, *spans_);
    };
    runtime_ = Runtime::Start(std::move(options), std::make_unique<MemoryStore>(), &clock_).value();
    ServerOptions server;
    server.objects_uri = "file:///objects";
    server.version = "1.2.3";
    server.spans = spans_.get();
    server_ = Server::Start(server, runtime_.get()).value();
    channel_ = OpenChannel(server_->address(), {});
    runs_ = wire::RunService::NewStub(channel_);
    sweeps_ = wire::SweepService::NewStub(channel_);
    workers_ = wire::WorkerService::NewStub(channel_);
  }
  ~TracingTest() override { StopServing(); }
  // Nothing uses the exporter any more.
  void StopServing() {
    runtime_->Stop();
    server_->Shutdown(1000);
  }
  // What was sent, once all has been.
  std::vector<Json> AllSpans() {
    StopServing();
    spans_.reset();
    std::vector<Json> spans;
    for (const test::HttpReceiver::Request& request : receiver_.Await(0)) {
      const Json body = ParseJson(request.body, "body").value();
      for (const Json& span : body["resourceSpans"][0]["scopeSpans"][0]["spans"]) spans.push_back(span);
    }
    return spans;
  }
  // The last of each name.
  std::map<std::string, Json> Spans() {
    std::map<std::string, Json> spans;
    for (const Json& span : AllSpans()) spans[span["name"].get<std::string>()] = span;
    return spans;
  }
  std::string SubmitIn(const std::vector<std::string>& traceparents, const RunSpec& spec) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kFar);
    for (const std::string& header : traceparents) context.AddMetadata("traceparent", header);
    wire::SubmitRunResponse response;
    const grpc::Status status = runs_->SubmitRun(&context, Submission(spec), &response);
    LWQ_CHECK(status.ok(), status.error_message());
    return response.run().id();
  }

  test::HttpReceiver receiver_;
  std::unique_ptr<OtlpExporter> spans_;
};

TEST_F(TracingTest, ACallersTraceGoesToTheLeaseAndHoldsTheCallTheRunAndTheWaitOfItsTasks) {
  const std::string worker = Register("a");
  const std::string run = SubmitIn({kCaller}, testing::NoopSpec(1));
  clock_.Advance(1500);
  const wire::Lease lease = LeaseTo(worker).lease();
  const auto of_lease = ParseTraceparent(lease.traceparent());
  ASSERT_TRUE(of_lease.has_value()) << lease.traceparent();
  EXPECT_EQ(of_lease->trace_id, kTraceId);
  EXPECT_TRUE(of_lease->sampled);
  wire::ReportTaskResponse reported;
  ASSERT_TRUE(Call(*workers_, &wire::WorkerService::Stub::ReportTask, Success(worker, lease), &reported).ok());
  EXPECT_EQ(Get(run).state(), wire::RUN_STATE_SUCCEEDED);
  std::map<std::string, Json> spans = Spans();
  ASSERT_TRUE(spans.contains("run") && spans.contains("queue noop") && spans.contains("lwqat.v1.RunService/SubmitRun"));
  EXPECT_EQ(spans.size(), 3u) << "calls without a context are not traced, nor are leases";
  const Json& of_run = spans["run"];
  EXPECT_EQ(of_run["traceId"], kTraceId);
  EXPECT_EQ(of_run["spanId"], of_lease->parent_id);
  EXPECT_EQ(of_run["parentSpanId"], "b7ad6b7169203331");
  EXPECT_FALSE(of_run.contains("status"));
  const Json& queue = spans["queue noop"];
  EXPECT_EQ(queue["parentSpanId"], of_run["spanId"]);
  const auto ns = [](const Json& text) { return std::stoll(text.get<std::string>()); };
  EXPECT_EQ(ns(queue["endTimeUnixNano"]) - ns(queue["startTimeUnixNano"]), 1'500'000'000);
  EXPECT_EQ(spans["lwqat.v1.RunService/SubmitRun"]["parentSpanId"], "b7ad6b7169203331");
  EXPECT_EQ(spans["lwqat.v1.RunService/SubmitRun"]["kind"], 2);
}

TEST_F(TracingTest, ALeaseThatIsAnsweredTwiceIsOneWait) {
  const std::string worker = Register("a");
  SubmitIn({kCaller}, testing::NoopSpec(1));
  EXPECT_EQ(LeaseTo(worker).lease().traceparent(), LeaseTo(worker).lease().traceparent());
  std::set<std::string> ids;
  int told = 0;
  for (const Json& span : AllSpans()) {
    if (span["name"] != "queue noop") continue;
    ids.insert(span["spanId"].get<std::string>());
    ++told;
  }
  EXPECT_EQ(told, 2);
  EXPECT_EQ(ids.size(), 1u);
}

TEST_F(TracingTest, WhatIsNoContextIsIgnoredAndTheSubmissionBeginsATraceOfItsOwn) {
  const std::string worker = Register("a");
  SubmitIn({"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"}, testing::NoopSpec(1, /*seed=*/1));
  const auto first = ParseTraceparent(LeaseTo(worker).lease().traceparent());
  ASSERT_TRUE(first.has_value());
  EXPECT_NE(first->trace_id, kTraceId);
  RunToEnd(worker);
  SubmitIn({kCaller, kCaller}, testing::NoopSpec(1, /*seed=*/2));
  const auto twice = ParseTraceparent(LeaseTo(worker).lease().traceparent());
  ASSERT_TRUE(twice.has_value());
  EXPECT_NE(twice->trace_id, kTraceId) << "a header that comes twice is none";
  RunToEnd(worker);
  std::map<std::string, Json> spans = Spans();
  ASSERT_TRUE(spans.contains("run"));
  EXPECT_FALSE(spans["run"].contains("parentSpanId")) << "it is the first of its trace";
}

TEST_F(TracingTest, ATraceThatIsNotSampledIsPassedOnAndNothingOfItIsSent) {
  const std::string worker = Register("a");
  SubmitIn({"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}, testing::NoopSpec(1));
  const wire::Lease lease = LeaseTo(worker).lease();
  EXPECT_THAT(lease.traceparent(), AllOf(HasSubstr(kTraceId), ::testing::EndsWith("-00")));
  RunToEnd(worker);
  EXPECT_TRUE(Spans().empty());
}

TEST_F(TracingTest, TheProcessLogsWhatBecomesOfRunsWithTheirIds) {
  ASSERT_TRUE(InitLog("coordinator", "debug", "json").ok());
  ::testing::internal::CaptureStderr();
  const std::string worker = Register("a");
  const std::string run = SubmitIn({kCaller}, testing::NoopSpec(1));
  const wire::Lease lease = LeaseTo(worker).lease();
  wire::ReportTaskRequest report = Success(worker, lease);
  report.add_log_lines("said by the worker");
  wire::ReportTaskResponse reported;
  ASSERT_TRUE(Call(*workers_, &wire::WorkerService::Stub::ReportTask, report, &reported).ok());
  runtime_->Stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(InitLog("test", "info").ok());
  std::istringstream lines(log);
  int of_tasks = 0, of_runs = 0;
  for (std::string text; std::getline(lines, text);) {
    const StatusOr<Json> line = ParseJson(text, "line");
    if (!line.ok() || !line->contains("run")) continue;
    EXPECT_EQ((*line)["run"], run);
    EXPECT_EQ((*line)["trace_id"], kTraceId);
    if (!line->contains("task")) {
      ++of_runs;
      continue;
    }
    ++of_tasks;
    EXPECT_EQ((*line)["task"], lease.task_key().substr(0, 12));
    EXPECT_EQ((*line)["attempt"], "1");
    EXPECT_EQ((*line)["worker"], "a");
    EXPECT_EQ((*line)["level"], "debug");
  }
  EXPECT_EQ(of_tasks, 1) << log;
  EXPECT_GE(of_runs, 2) << log;
  EXPECT_THAT(log, Not(HasSubstr("said by the worker")));
}

}  // namespace
}  // namespace lwq::coordinator
