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

}  // namespace
}  // namespace lwq::client
