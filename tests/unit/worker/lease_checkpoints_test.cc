// SPDX-License-Identifier: Apache-2.0
// When a task is saved, what becomes of it, and which checkpoints a later lease goes on from.
#include "worker/daemon/lease_checkpoints.h"

#include <optional>
#include <string>
#include <vector>

#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"

namespace lwq::worker {
namespace {

namespace pb = lwqat::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

pb::Lease LeaseOfToken(uint64_t token) {
  pb::Lease lease;
  lease.set_task_key(DigestOf("task").hex());
  lease.set_action_key(DigestOf("action").hex());
  lease.set_kind("train_block");
  lease.set_numerics_class("cpu|avx2|torch|fp32|t1");
  lease.set_token(token);
  return lease;
}

HostTensor OneNumber() {
  return {DType::kU8, {1}, Bytes::FromString("x")};
}

class LeaseCheckpointsTest : public ::testing::Test {
 protected:
  // What a task does at a step; saving takes so many seconds.
  Status At(LeaseCheckpoints& checkpoints, int64_t step, double seconds = 0) {
    return checkpoints.AtStep(step, 100, [&](CheckpointWriter& writer) -> Status {
      now_ += seconds;
      return writer.Add("number", OneNumber());
    });
  }
  LeaseCheckpoints Begin(const pb::Lease& lease) { return Begin(lease, &artifacts_); }
  LeaseCheckpoints Begin(const pb::Lease& lease, ArtifactStore* store) {
    monitor_.Begin(lease.task_key(), lease.token());
    return {lease,
            LeaseCheckpoints::StampOf(lease).value(),
            store,
            &timer_,
            &monitor_,
            [this](const CheckpointEvent& event) { events_.emplace_back(event.what); },
            [this] { return now_; }};
  }
  int64_t StoredStep() const {
    const auto checkpoint = monitor_.LastCheckpoint();
    return checkpoint.has_value() ? checkpoint->step : 0;
  }
  // Stores one at step 7 under token 1; a lease of token 2 that names it.
  pb::Lease LeaseAfterOne() {
    const pb::Lease first = LeaseOfToken(1);
    LeaseCheckpoints checkpoints = Begin(first);
    now_ += 1000;
    LWQ_CHECK(At(checkpoints, 7).ok());
    pb::Lease second = LeaseOfToken(2);
    const ArtifactRef artifact = monitor_.LastCheckpoint()->artifact;
    second.mutable_checkpoint()->mutable_artifact()->set_digest(artifact.digest.hex());
    second.mutable_checkpoint()->mutable_artifact()->set_size_bytes(artifact.size_bytes);
    events_.clear();
    return second;
  }

  MemoryStore objects_;
  ArtifactStore artifacts_{&objects_};
  CheckpointTimer timer_{10};
  TaskMonitor monitor_;
  double now_ = 500;
  std::vector<std::string> events_;
};

TEST_F(LeaseCheckpointsTest, ATaskIsSavedAfterTheIntervalAndThenAfterFiftyTimesWhatThatTook) {
  const pb::Lease lease = LeaseOfToken(1);
  LeaseCheckpoints checkpoints = Begin(lease);
  EXPECT_TRUE(At(checkpoints, 1).ok());
  now_ += 9;
  EXPECT_TRUE(At(checkpoints, 2).ok());
  EXPECT_EQ(StoredStep(), 0);
  now_ += 1;
  EXPECT_TRUE(At(checkpoints, 3, /*seconds=*/2).ok());
  EXPECT_EQ(StoredStep(), 3);
  now_ += 99;
  EXPECT_TRUE(At(checkpoints, 4).ok());
  EXPECT_EQ(StoredStep(), 3);
  now_ += 1;
  EXPECT_TRUE(At(checkpoints, 5).ok());
  EXPECT_EQ(StoredStep(), 5);
  EXPECT_THAT(events_, ElementsAre("saved", "saved"));
}

TEST_F(LeaseCheckpointsTest, WhatOneTookIsKnownWhenTheNextTaskBegins) {
  const pb::Lease first = LeaseOfToken(1), second = LeaseOfToken(2);
  LeaseCheckpoints before = Begin(first);
  now_ += 10;
  EXPECT_TRUE(At(before, 3, /*seconds=*/2).ok());
  LeaseCheckpoints checkpoints = Begin(second);
  now_ += 99;
  EXPECT_TRUE(At(checkpoints, 1).ok());
  EXPECT_EQ(StoredStep(), 0);
}

TEST_F(LeaseCheckpointsTest, AnIntervalOfZeroStoresNothingAndADrainStopsNothing) {
  CheckpointTimer never(0);
  const pb::Lease lease = LeaseOfToken(1);
  monitor_.Begin(lease.task_key(), 1);
  LeaseCheckpoints checkpoints(lease, LeaseCheckpoints::StampOf(lease).value(), &artifacts_, &never, &monitor_, nullptr,
                               [this] { return now_; });
  now_ += 1e9;
  EXPECT_TRUE(At(checkpoints, 1).ok());
  monitor_.Drain();
  EXPECT_TRUE(At(checkpoints, 2).ok());
  EXPECT_EQ(StoredStep(), 0);
}

TEST_F(LeaseCheckpointsTest, ADrainSavesTheTaskAtItsNextStepAndEndsIt) {
  const pb::Lease lease = LeaseOfToken(1);
  LeaseCheckpoints checkpoints = Begin(lease);
  EXPECT_TRUE(At(checkpoints, 1).ok());
  monitor_.Drain();
  const Status ended = At(checkpoints, 2);
  EXPECT_TRUE(absl::IsCancelled(ended)) << ended;
  EXPECT_EQ(StoredStep(), 2);
  LeaseCheckpoints fresh = Begin(lease);
  EXPECT_TRUE(absl::IsCancelled(At(fresh, 0))) << "nothing is lost";
  EXPECT_EQ(StoredStep(), 0);
}

TEST_F(LeaseCheckpointsTest, ATaskThatCannotBeSavedGoesOn) {
  MemoryStore full(/*capacity_bytes=*/10);
  ArtifactStore artifacts(&full);
  const pb::Lease lease = LeaseOfToken(1);
  LeaseCheckpoints checkpoints = Begin(lease, &artifacts);
  now_ += 1000;
  EXPECT_TRUE(At(checkpoints, 1).ok());
  monitor_.Drain();
  EXPECT_TRUE(At(checkpoints, 2).ok());
  EXPECT_EQ(StoredStep(), 0);
  EXPECT_THAT(events_, ElementsAre("failed"));
}

TEST_F(LeaseCheckpointsTest, ALaterLeaseOfTheActionGoesOnAndAddsUpTheSeconds) {
  const pb::Lease lease = LeaseAfterOne();
  LeaseCheckpoints checkpoints = Begin(lease);
  StatusOr<std::optional<CheckpointReader>> reader = checkpoints.Earlier();
  ASSERT_TRUE(reader.ok() && reader->has_value()) << reader.status();
  ASSERT_TRUE((*reader)->Take("number", DType::kU8, {1}).ok());
  EXPECT_TRUE((*reader)->CheckAllTaken().ok());
  checkpoints.GoesOnFrom((*reader)->stamp());
  EXPECT_EQ(checkpoints.seconds_before(), 1000);
  monitor_.Drain();
  EXPECT_TRUE(absl::IsCancelled(At(checkpoints, 7))) << "it is saved already";
  EXPECT_EQ(StoredStep(), 0);
  EXPECT_THAT(events_, ElementsAre("gone_on"));
}

TEST_F(LeaseCheckpointsTest, CheckpointsOfOtherActionsClassesKindsAndTasksAreRefusedWithTheReason) {
  const pb::Lease good = LeaseAfterOne();
  for (const char* field : {"action", "numerics class", "kind", "task"}) {
    pb::Lease other = good;
    const std::string name = field;
    if (name == "action") other.set_action_key(DigestOf("other").hex());
    if (name == "numerics class") other.set_numerics_class("cpu|avx512|torch|fp32|t1");
    if (name == "kind") other.set_kind("train_scales");
    if (name == "task") other.set_task_key(DigestOf("other").hex());
    LeaseCheckpoints checkpoints = Begin(other);
    const StatusOr<std::optional<CheckpointReader>> reader = checkpoints.Earlier();
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_FALSE(reader->has_value()) << field;
    const Status reason = CheckpointReader::Open(&artifacts_,
                                                 {Digest::FromHex(good.checkpoint().artifact().digest()).value(),
                                                  good.checkpoint().artifact().size_bytes()},
                                                 LeaseCheckpoints::StampOf(other).value())
                              .status();
    EXPECT_EQ(reason.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(MessageOf(reason)), HasSubstr(std::string("is of ") + field));
  }
  EXPECT_THAT(events_, ElementsAre("refused", "refused", "refused", "refused"));
}

TEST_F(LeaseCheckpointsTest, ACheckpointThatIsGoneOrNoneIsAsIfThereWereNone) {
  const pb::Lease lease = LeaseAfterOne();
  const Digest digest = Digest::FromHex(lease.checkpoint().artifact().digest()).value();
  const std::string manifest(objects_.Get(BlobKey(digest)).value().view());
  ASSERT_TRUE(objects_.Delete(BlobKey(digest)).ok());
  LeaseCheckpoints gone = Begin(lease);
  EXPECT_FALSE(gone.Earlier().value().has_value());
  ASSERT_TRUE(objects_.Put(BlobKey(digest), test::AsBytes(std::string_view(manifest).substr(0, 30)), {}).ok());
  LeaseCheckpoints torn = Begin(lease);
  EXPECT_FALSE(torn.Earlier().value().has_value());
  EXPECT_THAT(events_, ElementsAre("refused", "refused"));
  events_.clear();
  const pb::Lease first = LeaseOfToken(3);
  LeaseCheckpoints none = Begin(first);
  EXPECT_FALSE(none.Earlier().value().has_value());
  EXPECT_THAT(events_, IsEmpty());
}

}  // namespace
}  // namespace lwq::worker
