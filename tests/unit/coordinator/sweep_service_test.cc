// SPDX-License-Identifier: Apache-2.0
// SweepService, and pausing, over real gRPC.
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/unit/coordinator/service_fixture.h"

namespace lwq::coordinator {
namespace {

using grpc::StatusCode;

TEST_F(ServiceTest, ASweepIsPlannedSubmittedListedPausedAndCancelled) {
  wire::SubmitSweepRequest request;
  request.set_request_id("once");
  request.mutable_spec()->set_name("bits");
  for (const int bits : {2, 3, 2}) {
    wire::SweepRun& run = *request.mutable_spec()->add_runs();
    RunSpec spec = testing::BlockApSpec(2);
    spec.recipe.wbits = bits;
    *run.mutable_spec() = Submission(spec).spec();
    (*run.mutable_labels())["wbits"] = absl::StrCat(bits);
  }
  wire::PlanSweepRequest plan_request;
  *plan_request.mutable_spec() = request.spec();
  wire::PlanSweepResponse planned;
  Register("a");
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::PlanSweep, plan_request, &planned).ok());
  EXPECT_EQ(planned.plan().plans_size(), 3);
  EXPECT_EQ(planned.plan().tasks(), 3 * 13);
  EXPECT_LT(planned.plan().distinct_tasks(), 2 * 13);
  EXPECT_EQ(planned.plan().known_tasks(), 0);
  EXPECT_FALSE(planned.plan().has_device_seconds()) << "nothing was ever measured";

  wire::SubmitSweepResponse submitted;
  const auto submit = [&] { return Call(*sweeps_, &wire::SweepService::Stub::SubmitSweep, request, &submitted); };
  ASSERT_TRUE(submit().ok());
  const std::string id = submitted.sweep().id();
  EXPECT_EQ(submitted.sweep().name(), "bits");
  ASSERT_EQ(submitted.sweep().members_size(), 3);
  EXPECT_EQ(submitted.sweep().members(1).labels().at("wbits"), "3");
  EXPECT_EQ(submitted.sweep().tasks(), planned.plan().distinct_tasks());
  ASSERT_TRUE(submit().ok());
  EXPECT_EQ(submitted.sweep().id(), id) << "this one was there";

  wire::GetRunRequest get_run;
  get_run.set_run_id(submitted.sweep().members(1).run_id());
  wire::GetRunResponse run;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::GetRun, get_run, &run).ok());
  EXPECT_EQ(run.run().sweep_id(), id);
  EXPECT_EQ(run.run().labels().at("wbits"), "3");

  wire::ListSweepsResponse list;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::ListSweeps, {}, &list).ok());
  ASSERT_EQ(list.sweeps_size(), 1);
  EXPECT_EQ(list.sweeps(0).members_size(), 0);

  wire::PauseSweepRequest pause;
  pause.set_sweep_id(id);
  wire::PauseSweepResponse paused;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::PauseSweep, pause, &paused).ok());
  for (const auto& member : paused.sweep().members()) EXPECT_TRUE(member.paused());
  wire::ResumeRunRequest resume;
  resume.set_run_id(get_run.run_id());
  wire::ResumeRunResponse resumed;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ResumeRun, resume, &resumed).ok());
  EXPECT_FALSE(resumed.run().paused());
  wire::CancelSweepRequest cancel;
  cancel.set_sweep_id(id.substr(0, 4));
  wire::CancelSweepResponse cancelled;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::CancelSweep, cancel, &cancelled).ok());
  for (const auto& member : cancelled.sweep().members()) EXPECT_EQ(member.state(), wire::RUN_STATE_CANCELLED);
  wire::GetSweepRequest unknown;
  unknown.set_sweep_id("nothing");
  wire::GetSweepResponse none;
  EXPECT_EQ(Call(*sweeps_, &wire::SweepService::Stub::GetSweep, unknown, &none).error_code(), StatusCode::NOT_FOUND);
}

class WatchSweepServiceTest : public ServiceTest {
 protected:
  std::string SubmitSweepOf(int runs) {
    wire::SubmitSweepRequest request;
    request.mutable_spec()->set_name("noops");
    for (int i = 0; i < runs; ++i) {
      RunSpec spec = testing::NoopSpec(2);
      spec.name = absl::StrCat("run ", i);
      *request.mutable_spec()->add_runs()->mutable_spec() = Submission(spec).spec();
    }
    wire::SubmitSweepResponse response;
    const grpc::Status status = Call(*sweeps_, &wire::SweepService::Stub::SubmitSweep, request, &response);
    LWQ_CHECK(status.ok(), status.error_message());
    return response.sweep().id();
  }
  // The first message of a watch that goes on at the token.
  grpc::Status First(const std::string& sweep, const std::string& token, wire::WatchSweepResponse* message) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kFar);
    wire::WatchSweepRequest request;
    request.set_sweep_id(sweep);
    request.set_resume_token(token);
    const auto stream = sweeps_->WatchSweep(&context, request);
    const bool read = stream->Read(message);
    if (read) context.TryCancel();
    const grpc::Status status = stream->Finish();
    return read ? grpc::Status::OK : status;
  }
};

TEST_F(WatchSweepServiceTest, AWatchSendsAllRunsThenWhatChangedAndEndsWithTheLastRun) {
  const std::string worker = Register("a");
  const std::string sweep = SubmitSweepOf(3);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kFar);
  wire::WatchSweepRequest request;
  request.set_sweep_id(sweep.substr(0, 6));
  const auto stream = sweeps_->WatchSweep(&context, request);
  wire::WatchSweepResponse message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_TRUE(message.all_again());
  ASSERT_EQ(message.runs_size(), 3);
  EXPECT_EQ(message.runs(2).spec().name(), "run 2");
  EXPECT_EQ(message.runs(2).tasks_total(), 2);
  std::map<std::string, wire::Run> runs;
  RunToEnd(worker);
  clock_.Advance(100);
  while (stream->Read(&message)) {
    EXPECT_FALSE(message.all_again());
    for (const wire::Run& run : message.runs()) runs[run.id()] = run;
    clock_.Advance(100);
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(message.all_ended());
  EXPECT_EQ(runs.size(), 3u);
  for (const auto& [id, run] : runs) EXPECT_EQ(run.state(), wire::RUN_STATE_SUCCEEDED);
}

TEST_F(WatchSweepServiceTest, ATokenGoesOnWhereItsMessageWas) {
  const std::string sweep = SubmitSweepOf(3);
  wire::WatchSweepResponse first, again;
  ASSERT_TRUE(First(sweep, "", &first).ok());
  ASSERT_TRUE(First(sweep, first.resume_token(), &again).ok());
  EXPECT_FALSE(again.all_again());
  EXPECT_EQ(again.runs_size(), 0) << "nothing has changed";
  wire::CancelRunRequest cancel;
  cancel.set_run_id(first.runs(1).id());
  wire::CancelRunResponse cancelled;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::CancelRun, cancel, &cancelled).ok());
  ASSERT_TRUE(First(sweep, first.resume_token(), &again).ok());
  ASSERT_EQ(again.runs_size(), 1);
  EXPECT_EQ(again.runs(0).id(), cancel.run_id());
  EXPECT_EQ(again.runs(0).state(), wire::RUN_STATE_CANCELLED);

  const std::string before_a_restart = absl::StrCat(sweep, ".0.7");
  ASSERT_TRUE(First(sweep, before_a_restart, &again).ok());
  EXPECT_TRUE(again.all_again());
  EXPECT_EQ(again.runs_size(), 3);

  const std::string other = SubmitSweepOf(1);
  EXPECT_EQ(First(other, first.resume_token(), &again).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(First(sweep, "nonsense", &again).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(First("ffffffff", "", &again).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(WatchSweepServiceTest, RunsAndSweepsAreListedByWhatIsAskedFor) {
  const std::string sweep = SubmitSweepOf(3);
  RunSpec spec = testing::NoopSpec(1);
  spec.name = "alone";
  spec.project = "lab";
  const std::string alone = Submit(spec);
  RunToEnd(Register("a"));
  spec.name = "later";
  spec.project = "";
  const std::string later = Submit(testing::BlockApSpec(2));
  const auto names = [&](const wire::ListRunsRequest& request) {
    wire::ListRunsResponse response;
    const grpc::Status status = Call(*runs_, &wire::RunService::Stub::ListRuns, request, &response);
    if (!status.ok()) return std::vector<std::string>{absl::StrCat("error ", status.error_code())};
    std::vector<std::string> found;
    for (const wire::Run& run : response.runs()) found.push_back(run.spec().name());
    return found;
  };
  wire::ListRunsRequest request;
  EXPECT_EQ(names(request).size(), 5u);
  request.add_states(wire::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(names(request), (std::vector<std::string>{"alone", "run 2", "run 1", "run 0"}));
  request.set_project("lab");
  EXPECT_EQ(names(request), (std::vector<std::string>{"alone"}));
  request.clear_project();
  request.set_name("run [01]");
  EXPECT_EQ(names(request), (std::vector<std::string>{"run 1", "run 0"}));
  request.set_name("");
  request.set_sweep_id(sweep.substr(0, 5));
  EXPECT_EQ(names(request).size(), 3u);
  request.set_sweep_id("ffffffff");
  EXPECT_EQ(names(request), (std::vector<std::string>{absl::StrCat("error ", StatusCode::NOT_FOUND)}));
  request.clear_sweep_id();
  request.add_states(static_cast<wire::RunState>(99));
  EXPECT_EQ(names(request), (std::vector<std::string>{absl::StrCat("error ", StatusCode::INVALID_ARGUMENT)}));

  wire::ListSweepsRequest list;
  list.set_name("no*");
  wire::ListSweepsResponse sweeps;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::ListSweeps, list, &sweeps).ok());
  EXPECT_EQ(sweeps.sweeps_size(), 1);
  list.set_name("x*");
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::ListSweeps, list, &sweeps).ok());
  EXPECT_EQ(sweeps.sweeps_size(), 0);
}

wire::SubmitSweepRequest HalvedBits(const std::string& metric) {
  wire::SubmitSweepRequest request;
  request.mutable_spec()->set_name("halved");
  for (const int bits : {2, 3, 4}) {
    RunSpec spec = testing::BlockApSpec(3);
    spec.name = absl::StrCat("bits ", bits);
    spec.recipe.wbits = bits;
    ToWire(spec, request.mutable_spec()->add_runs()->mutable_spec());
  }
  request.mutable_spec()->mutable_halving()->set_metric(metric);
  return request;
}

TEST_F(ServiceTest, ASweepWithHalvingSaysHowFarItsRunsMayGoAndWhatTheyMeasured) {
  const std::string worker = Register("a");
  wire::SubmitSweepResponse submitted;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::SubmitSweep, HalvedBits("perplexity"), &submitted).ok());
  const wire::Halving& halving = submitted.sweep().halving();
  EXPECT_EQ(halving.metric(), "perplexity");
  EXPECT_EQ(halving.min_blocks(), 1);
  EXPECT_EQ(halving.eta(), 3);
  EXPECT_EQ(halving.order(), "synchronous");
  EXPECT_EQ(submitted.sweep().members(2).promoted_blocks(), 1);
  RunToEnd(worker);  // every perplexity is 2.5: the first goes on
  wire::GetSweepRequest get;
  get.set_sweep_id(submitted.sweep().id());
  wire::GetSweepResponse sweep;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::GetSweep, get, &sweep).ok());
  const auto& members = sweep.sweep().members();
  EXPECT_EQ(members[0].state(), wire::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(members[0].promoted_blocks(), 3);
  EXPECT_THAT(members[0].rung_values(), ::testing::ElementsAre(2.5, 2.5));
  EXPECT_EQ(members[1].state(), wire::RUN_STATE_STOPPED);
  EXPECT_EQ(members[1].promoted_blocks(), 1);
  EXPECT_THAT(members[1].rung_values(), ::testing::ElementsAre(2.5));

  const wire::Run stopped = Get(members[1].run_id());
  EXPECT_TRUE(stopped.halving().decided());
  EXPECT_TRUE(stopped.has_finished_at());
  ASSERT_EQ(stopped.halving().rungs_size(), 1);
  EXPECT_EQ(stopped.halving().rungs(0).blocks(), 1);
  EXPECT_EQ(stopped.halving().rungs(0).value(), 2.5);
  // A watch ends with it.
  grpc::ClientContext context;
  wire::WatchRunRequest watch;
  watch.set_run_id(stopped.id());
  const auto stream = runs_->WatchRun(&context, watch);
  wire::WatchRunResponse message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.run().state(), wire::RUN_STATE_STOPPED);
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_TRUE(stream->Finish().ok());

  wire::ResumeRunRequest resume;
  resume.set_run_id(stopped.id());
  wire::ResumeRunResponse resumed;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::ResumeRun, resume, &resumed).ok());
  EXPECT_EQ(resumed.run().state(), wire::RUN_STATE_RUNNING);
  EXPECT_EQ(resumed.run().halving().promoted_blocks(), 3);
  EXPECT_FALSE(resumed.run().has_finished_at());
  RunToEnd(worker);
  EXPECT_EQ(Get(stopped.id()).state(), wire::RUN_STATE_SUCCEEDED);
}

TEST_F(ServiceTest, AHalvingIsPlannedAndValidatedAndRefusedBeforeAnythingIsStored) {
  Register("a");
  wire::PlanSweepRequest plan;
  *plan.mutable_spec() = HalvedBits("").spec();
  wire::PlanSweepResponse planned;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::PlanSweep, plan, &planned).ok());
  ASSERT_EQ(planned.plan().halving().rungs_size(), 2);
  EXPECT_EQ(planned.plan().halving().rungs(1).blocks(), 3);
  EXPECT_EQ(planned.plan().halving().rungs(1).runs(), 1);
  EXPECT_EQ(planned.plan().halving().trainings(), 9);
  EXPECT_EQ(planned.plan().halving().least_trainings(), 5);
  EXPECT_EQ(planned.plan().halving().most_trainings(), 5);

  wire::SubmitSweepRequest request = HalvedBits("block_loss");
  request.set_validate_only(true);
  wire::SubmitSweepResponse response;
  const auto submit = [&] { return Call(*sweeps_, &wire::SweepService::Stub::SubmitSweep, request, &response); };
  ASSERT_TRUE(submit().ok());
  EXPECT_FALSE(response.has_sweep());
  request.mutable_spec()->mutable_runs(1)->mutable_spec()->mutable_recipe()->set_method("rtn");
  EXPECT_THAT(submit().error_message(), ::testing::HasSubstr("run 2 of 3 (bits 3): halving: method rtn"));
  request = HalvedBits("loss");
  EXPECT_EQ(submit().error_message(), "halving: metric is 'loss', must be block_loss or perplexity");
  request.mutable_spec()->mutable_halving()->set_metric("");
  request.mutable_spec()->mutable_halving()->set_order("sorted");
  EXPECT_EQ(submit().error_message(), "halving: order is 'sorted', must be synchronous or asynchronous");
  wire::ListSweepsResponse list;
  ASSERT_TRUE(Call(*sweeps_, &wire::SweepService::Stub::ListSweeps, {}, &list).ok());
  EXPECT_EQ(list.sweeps_size(), 0);
}

}  // namespace
}  // namespace lwq::coordinator
