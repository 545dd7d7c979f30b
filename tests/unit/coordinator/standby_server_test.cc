// SPDX-License-Identifier: Apache-2.0
// What callers hear from a coordinator that stands by.
#include "coordinator/service/standby_server.h"

#include "common/rpc/channel.h"
#include "common/rpc/coordinator_addresses.h"
#include "coordinator/service/health.h"
#include "gtest/gtest.h"
#include "lwqat/v1/run_service.grpc.pb.h"
#include "lwqat/v1/worker_service.grpc.pb.h"
#include "tests/unit/coordinator/health_call.h"

namespace lwq::coordinator {
namespace {

namespace pb = lwqat::v1;

class StandbyServerTest : public ::testing::Test {
 protected:
  std::shared_ptr<grpc::Channel> Channel() const { return OpenChannel(standby_->address(), {}); }
  static grpc::Status Ask(const std::shared_ptr<grpc::Channel>& channel, std::string* leader) {
    grpc::ClientContext context;
    pb::GetServerInfoResponse response;
    const grpc::Status status = pb::RunService::NewStub(channel)->GetServerInfo(&context, {}, &response);
    *leader = LeaderOf(context.GetServerTrailingMetadata());
    return status;
  }

  std::unique_ptr<StandbyServer> standby_ = StandbyServer::Start("127.0.0.1:0", nullptr, "127.0.0.1:0").value();
};

TEST_F(StandbyServerTest, EveryCallIsUnavailableAndNamesTheOneThatLeads) {
  std::string leader;
  const grpc::Status unknown = Ask(Channel(), &leader);
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(unknown.error_message(), "this coordinator stands by, and which one leads is not known");
  EXPECT_EQ(leader, "");

  standby_->SetLeader("other:7070");
  const grpc::Status known = Ask(Channel(), &leader);
  EXPECT_EQ(known.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(known.error_message(), "this coordinator stands by; the one at other:7070 leads");
  EXPECT_EQ(leader, "other:7070");
}

TEST_F(StandbyServerTest, StreamsAndWorkersHearTheSame) {
  standby_->SetLeader("other:7070");
  const auto runs = pb::RunService::NewStub(Channel());
  grpc::ClientContext watch;
  const auto stream = runs->WatchRun(&watch, {});
  pb::WatchRunResponse message;
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(LeaderOf(watch.GetServerTrailingMetadata()), "other:7070");

  grpc::ClientContext lease;
  pb::LeaseTaskResponse leased;
  EXPECT_EQ(pb::WorkerService::NewStub(Channel())->LeaseTask(&lease, {}, &leased).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(LeaderOf(lease.GetServerTrailingMetadata()), "other:7070");
}

TEST_F(StandbyServerTest, IsAliveAndServesNothing) {
  for (const std::string& address : {standby_->address(), standby_->health_address()}) {
    const std::shared_ptr<grpc::Channel> channel = OpenChannel(address, {});
    EXPECT_EQ(AskHealth(channel, ""), kNotServing) << address;
    EXPECT_EQ(AskHealth(channel, "lwqat.v1.RunService"), kNotServing) << address;
    EXPECT_EQ(AskHealth(channel, kLiveService), kServing) << address;
  }
}

}  // namespace
}  // namespace lwq::coordinator
