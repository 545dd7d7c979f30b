// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/device_health.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kFirstMs = 1000;

Digest Task(int number) {
  return DigestOf(absl::StrCat("task ", number));
}

class DeviceHealthTest : public ::testing::Test {
 protected:
  DeviceHealthTest() { health_.Configure(kFirstMs); }
  std::vector<std::string> Fail(const std::string& device, int task, int64_t run,
                                FailureCause cause = FailureCause::kDevice, TaskKind kind = TaskKind::kTrainBlock) {
    return health_.Failed(device, {Task(task), run, kind, cause, "broken"}, now_ms_);
  }
  std::vector<std::string> Succeed(const std::string& device, int task, TaskKind kind = TaskKind::kTrainBlock) {
    return health_.Succeeded(device, Task(task), kind, now_ms_);
  }
  void AdvanceTo(int64_t now_ms) { health_.Advance(now_ms_ = now_ms); }

  DeviceHealth health_;
  int64_t now_ms_ = 0;
};

TEST_F(DeviceHealthTest, TwoFailuresOfDifferentRunsQuarantineADevice) {
  EXPECT_THAT(Fail("bad", 1, 1), IsEmpty());
  EXPECT_THAT(Fail("bad", 2, 2), ElementsAre("bad"));
  EXPECT_EQ(health_.QuarantinedUntil("bad"), kFirstMs);
  EXPECT_EQ(health_.Reason("bad"), "2 tasks of 2 runs failed on it and on no other worker; last: broken");
  EXPECT_EQ(health_.StandingOf("other"), Standing::kTrusted);
}

TEST_F(DeviceHealthTest, OfOneRunItTakesThree) {
  EXPECT_THAT(Fail("bad", 1, 1), IsEmpty());
  EXPECT_THAT(Fail("bad", 2, 1), IsEmpty());
  EXPECT_THAT(Fail("bad", 2, 1), IsEmpty()) << "the same task again says nothing new";
  EXPECT_THAT(Fail("bad", 3, 1), ElementsAre("bad"));
}

TEST_F(DeviceHealthTest, WhatADeviceExecutesClearsFailuresOfTheSameKindOnly) {
  Fail("d", 1, 1, FailureCause::kDevice, TaskKind::kTrainBlock);
  Succeed("d", 9, TaskKind::kTokenize);
  EXPECT_THAT(Fail("d", 2, 2), ElementsAre("d")) << "a device that only does small things is not well";
  Succeed("d", 10, TaskKind::kTrainBlock);
  EXPECT_EQ(health_.StandingOf("d"), Standing::kTrusted);
  EXPECT_THAT(Fail("d", 3, 3), IsEmpty());
}

TEST_F(DeviceHealthTest, ATaskThatFailsOnASecondDeviceCountsAgainstNeither) {
  Fail("a", 1, 1);
  Fail("a", 2, 2);
  ASSERT_EQ(health_.StandingOf("a"), Standing::kQuarantined);
  EXPECT_THAT(Fail("b", 1, 1), IsEmpty());
  EXPECT_EQ(health_.StandingOf("a"), Standing::kTrusted) << "what spoke against it does not any more";
  EXPECT_THAT(health_.ends(), IsEmpty());
  EXPECT_THAT(Fail("b", 3, 3), IsEmpty());
}

TEST_F(DeviceHealthTest, ASuccessElsewhereMakesEveryFailureCountThatMayBeTheDevices) {
  for (int task = 1; task <= 3; ++task) {
    EXPECT_THAT(Fail("full", task, 1, FailureCause::kMemory), IsEmpty()) << "memory may be short everywhere";
    EXPECT_THAT(Succeed("wide", task, TaskKind::kTokenize),
                task < 3 ? ElementsAre() : ::testing::Matcher<std::vector<std::string>>(ElementsAre("full")));
  }
  EXPECT_THAT(health_.Reason("full"), HasSubstr("(3 succeeded elsewhere)"));
  // Two bad devices do not excuse each other.
  Fail("a", 11, 1);
  Fail("b", 11, 1);
  Fail("a", 12, 2);
  Fail("b", 12, 2);
  EXPECT_EQ(health_.StandingOf("a"), Standing::kTrusted);
  Succeed("wide", 11);
  EXPECT_THAT(Succeed("wide", 12), ElementsAre("a", "b"));
}

TEST_F(DeviceHealthTest, EachFailedProbeDoublesTheQuarantineUpToAnHourAndASuccessEndsIt) {
  Fail("bad", 1, 1);
  Fail("bad", 2, 2);
  for (int times = 1; times <= 15; ++times) {
    const int64_t until_ms = *health_.QuarantinedUntil("bad");
    EXPECT_EQ(until_ms - now_ms_, std::min(kFirstMs << (times - 1), DeviceHealth::kLongestMs));
    AdvanceTo(until_ms - 1);
    EXPECT_EQ(health_.StandingOf("bad"), Standing::kQuarantined);
    AdvanceTo(until_ms);
    EXPECT_EQ(health_.StandingOf("bad"), Standing::kProbed);
    EXPECT_THAT(Fail("bad", 2 + times, 1), ElementsAre("bad"));
  }
  AdvanceTo(*health_.QuarantinedUntil("bad"));
  Succeed("bad", 99, TaskKind::kTokenize);
  EXPECT_EQ(health_.StandingOf("bad"), Standing::kProbed) << "nothing of that kind had failed on it";
  Succeed("bad", 100);
  EXPECT_EQ(health_.StandingOf("bad"), Standing::kTrusted);
  Fail("bad", 1, 1);
  Fail("bad", 2, 2);
  EXPECT_EQ(*health_.QuarantinedUntil("bad") - now_ms_, kFirstMs) << "as for the first time";
}

TEST_F(DeviceHealthTest, AReleasedDeviceIsTrustedAndNothingHasFailedOnIt) {
  Fail("bad", 1, 1);
  Fail("bad", 2, 2);
  EXPECT_TRUE(health_.Release("bad"));
  EXPECT_EQ(health_.StandingOf("bad"), Standing::kTrusted);
  EXPECT_EQ(health_.DevicesOf(Task(1)), nullptr);
  EXPECT_THAT(health_.ends(), IsEmpty());
  EXPECT_FALSE(health_.Release("bad"));
}

TEST_F(DeviceHealthTest, WithoutATimeThereIsNoQuarantineButItIsKnownWhereATaskHasFailed) {
  health_.Configure(0);
  Fail("bad", 1, 1);
  EXPECT_THAT(Fail("bad", 2, 2), IsEmpty());
  EXPECT_THAT(*health_.DevicesOf(Task(1)), ElementsAre("bad"));
  health_.Forget(Task(1));
  EXPECT_EQ(health_.DevicesOf(Task(1)), nullptr);
}

}  // namespace
}  // namespace lwq::coordinator
