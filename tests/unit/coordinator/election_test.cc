// SPDX-License-Identifier: Apache-2.0
// Who leads, by a lease that a test hands out.
#include "coordinator/election/election.h"

#include <deque>
#include <future>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

// Answers in the order given, then the last again.
class ScriptedLease final : public LeadLease {
 public:
  ScriptedLease(std::deque<StatusOr<Lead>> answers, std::promise<void>* released)
      : answers_(std::move(answers)), released_(released) {}

  StatusOr<Lead> Take() override { return Next(); }
  StatusOr<Lead> TakeByForce() override { return Next(); }
  StatusOr<Lead> Renew() override { return Next(); }
  Status Release() override {
    if (released_ != nullptr) released_->set_value();
    return absl::OkStatus();
  }

 private:
  StatusOr<Lead> Next() {
    StatusOr<Lead> answer = answers_.front();
    if (answers_.size() > 1) answers_.pop_front();
    return answer;
  }

  std::deque<StatusOr<Lead>> answers_;
  std::promise<void>* const released_;  // null: nobody waits
};

const Lead kOwn{.own = true, .address = "here:1"};
const Lead kOther{.own = false, .address = "there:1"};

TEST(AwaitLeadTest, AsksUntilTheLeaseIsItsOwnAndTellsBeforeEachWaitWhoLeads) {
  ScriptedLease lease({kOther, absl::UnavailableError("no database"), kOther, kOwn}, nullptr);
  std::vector<std::string> told;
  int waits = 0;
  EXPECT_TRUE(AwaitLead(
      lease,
      [&](const StatusOr<Lead>& lead) {
        told.push_back(lead.ok() ? lead->address : std::string(lead.status().message()));
      },
      [&] { return ++waits < 10; }));
  EXPECT_THAT(told, ElementsAre("there:1", "no database", "there:1"));
  EXPECT_EQ(waits, 3);
}

TEST(AwaitLeadTest, EndsWithoutTheLeadWhenToldTo) {
  ScriptedLease lease({kOther}, nullptr);
  int waits = 0;
  EXPECT_FALSE(AwaitLead(
      lease, [](const StatusOr<Lead>&) {}, [&] { return ++waits < 2; }));
  EXPECT_EQ(waits, 2);
}

TEST(LeaseKeeperTest, SaysOnceThatAnotherHasTheLeaseThoughItCouldNotBeRenewedBefore) {
  std::promise<void> lost;
  LeaseKeeper keeper(
      std::make_unique<ScriptedLease>(
          std::deque<StatusOr<Lead>>{kOwn, absl::UnavailableError("no database"), kOwn, kOther}, nullptr),
      milliseconds(1), [&] { lost.set_value(); });  // set twice, it would throw
  lost.get_future().wait();
  EXPECT_TRUE(absl::IsAborted(keeper.status()));
  EXPECT_EQ(keeper.status().message(), "another coordinator has taken over, at there:1, and this one must stop");
}

TEST(LeaseKeeperTest, GivesTheLeaseUpWhenItGoes) {
  std::promise<void> released;
  {
    const LeaseKeeper keeper(std::make_unique<ScriptedLease>(std::deque<StatusOr<Lead>>{kOwn}, &released),
                             milliseconds(1), [] { FAIL() << "nobody has taken it"; });
    EXPECT_TRUE(keeper.status().ok());
  }
  EXPECT_EQ(released.get_future().wait_for(milliseconds(0)), std::future_status::ready);
}

}  // namespace
}  // namespace lwq::coordinator
