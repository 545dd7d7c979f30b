// SPDX-License-Identifier: Apache-2.0
// Several runs in one call, as the client makes it.
#include "client/rpc/run_api.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/fake_run_service.h"

namespace lwq::client {
namespace {

class RunApiTest : public ::testing::Test {
 protected:
  static lwqat::v1::SubmitRunRequest Named(const std::string& name) {
    lwqat::v1::SubmitRunRequest run;
    run.mutable_spec()->set_name(name);
    run.set_request_id("id of " + name);
    return run;
  }

  RunApi::Options AddressOnly() const {
    RunApi::Options options;
    options.address = server_.address();
    return options;
  }

  test::FakeRunService service_;
  test::FakeServer server_{&service_};
  Interrupt interrupt_;
  RunApi api_{AddressOnly(), &interrupt_};
};

TEST_F(RunApiTest, SubmittedRunsComeInTheOrderGivenAndACoordinatorThatIsStartingIsAskedAgain) {
  service_.unavailable_submits = 1;
  const auto runs = api_.SubmitRuns({Named("a"), Named("b")});
  ASSERT_TRUE(runs.ok()) << runs.status();
  ASSERT_EQ(runs->size(), 2u);
  EXPECT_EQ((*runs)[0].spec().name(), "a");
  EXPECT_EQ((*runs)[1].spec().name(), "b");
  EXPECT_EQ(service_.submitted.back().request_id(), "id of b");
}

TEST_F(RunApiTest, AValidationSubmitsNothing) {
  service_.plan.set_average_bits(2.5);
  const auto plans = api_.ValidateRuns({Named("a").spec(), Named("b").spec()});
  ASSERT_TRUE(plans.ok()) << plans.status();
  ASSERT_EQ(plans->size(), 2u);
  EXPECT_EQ((*plans)[1].average_bits(), 2.5);
  EXPECT_TRUE(service_.submitted.empty());
  service_.submit_error = {grpc::StatusCode::INVALID_ARGUMENT, "run 1 of 1 (a): wbits is 7"};
  const auto refused = api_.ValidateRuns({Named("a").spec()});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused.status().message(), "run 1 of 1 (a): wbits is 7");
}

TEST_F(RunApiTest, ARunHasEndedForItsWatcherOnceItsLastTasksAreKnown) {
  lwqat::v1::Run running, part;
  running.set_id("abcdef123456");
  running.set_state(lwqat::v1::RUN_STATE_RUNNING);
  running.set_tasks_total(1);
  running.add_tasks()->set_state(lwqat::v1::TASK_STATE_LEASED);
  part = running;
  part.set_state(lwqat::v1::RUN_STATE_SUCCEEDED);
  lwqat::v1::Run ended = part;
  ended.mutable_tasks(0)->set_state(lwqat::v1::TASK_STATE_SUCCEEDED);
  service_.watch_calls = {{running, part, ended}};
  std::vector<lwqat::v1::Run> seen;
  const auto last = api_.WatchRun(
      "abcdef123456", [&](const lwqat::v1::Run& run) { seen.push_back(run); }, [](bool) {});
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->tasks(0).state(), lwqat::v1::TASK_STATE_SUCCEEDED);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].tasks(0).state(), lwqat::v1::TASK_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace lwq::client
