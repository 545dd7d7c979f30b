// SPDX-License-Identifier: Apache-2.0
// SweepService, and pausing, over real gRPC.
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

}  // namespace
}  // namespace lwq::coordinator
