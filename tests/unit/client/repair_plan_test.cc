// SPDX-License-Identifier: Apache-2.0
// From what a verification found to what is done about it.
#include "client/pipeline/repair_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::client {
namespace {

using lwqat::v1::StoredArtifact;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

StoredArtifact Stored(const std::string& name, lwqat::v1::ArtifactOrigin origin, const std::string& what) {
  StoredArtifact stored;
  stored.mutable_artifact()->set_digest(DigestOf(name).hex());
  stored.mutable_artifact()->set_size_bytes(7);
  stored.set_origin(origin);
  stored.set_run_id("0123456789ab");
  stored.set_what(what);
  return stored;
}

StoredArtifact Result(const std::string& name, const std::string& action, const std::string& role = "block") {
  StoredArtifact stored = Stored(name, lwqat::v1::ARTIFACT_ORIGIN_RESULT, "train block 1");
  stored.set_task_key(DigestOf("task of " + action).hex());
  stored.set_action_key(DigestOf(action).hex());
  stored.set_role(role);
  return stored;
}

Fault BlobFault(FaultKind kind, const std::string& blob, const std::vector<std::string>& artifacts) {
  Fault fault{.kind = kind, .object = DigestOf(blob)};
  for (const std::string& artifact : artifacts) fault.of.emplace_back(DigestOf(artifact), "part");
  return fault;
}

TEST(RepairPlanTest, ALostResultIsReportedOnceHoweverManyOfItsPartsAreLost) {
  const RepairPlan plan =
      PlanRepairs({Result("block", "a"), Result("block", "b")},
                  {BlobFault(FaultKind::kGone, "one", {"block"}), BlobFault(FaultKind::kBytes, "two", {"block"})});
  EXPECT_THAT(plan.lost, ElementsAre(DigestOf("block").hex()));
  EXPECT_THAT(plan.remove_blobs, ElementsAre(DigestOf("two"))) << "what is gone need not be removed";
  EXPECT_THAT(plan.damage, SizeIs(2));
  EXPECT_THAT(plan.upload_again, IsEmpty());
}

TEST(RepairPlanTest, ABlobOfAModelAndAnExportIsUploadedAgainAndTheExportMadeAgain) {
  const RepairPlan plan =
      PlanRepairs({Stored("model", lwqat::v1::ARTIFACT_ORIGIN_INPUT, "model"), Result("export", "a", "files")},
                  {BlobFault(FaultKind::kSize, "tokenizer.json", {"model", "export"})});
  EXPECT_THAT(plan.lost, ElementsAre(DigestOf("export").hex()));
  ASSERT_THAT(plan.upload_again, SizeIs(1));
  EXPECT_EQ(plan.upload_again[0].what(), "model");
  EXPECT_THAT(plan.remove_blobs, ElementsAre(DigestOf("tokenizer.json"))) << "once, whoever has it";
}

TEST(RepairPlanTest, WhatWasUploadedIsNeverReportedAsAResultAlsoWhereATaskMadeTheSame) {
  const std::vector<StoredArtifact> stored = {Result("same", "a"),
                                              Stored("same", lwqat::v1::ARTIFACT_ORIGIN_INPUT, "text held-out")};
  const RepairPlan plan = PlanRepairs(stored, {BlobFault(FaultKind::kGone, "one", {"same"})});
  EXPECT_THAT(plan.lost, IsEmpty());
  EXPECT_THAT(plan.upload_again, SizeIs(1));
}

TEST(RepairPlanTest, ACheckpointInTheMiddleOfATaskIsRemovedAndNothingElse) {
  const RepairPlan plan = PlanRepairs({Stored("state", lwqat::v1::ARTIFACT_ORIGIN_CHECKPOINT, "train block 2")},
                                      {BlobFault(FaultKind::kBytes, "one", {"state"})});
  EXPECT_THAT(plan.lost, IsEmpty());
  EXPECT_THAT(plan.upload_again, IsEmpty());
  EXPECT_THAT(plan.remove_blobs, SizeIs(1));
  ASSERT_THAT(plan.damage, SizeIs(1));
  EXPECT_EQ(plan.damage[0].remedy, Remedy::kBeginAgain);
}

TEST(RepairPlanTest, ARecordIsWrittenAgainFromItsTaskAndItsArtifactsStay) {
  const Fault fault{.kind = FaultKind::kBytes, .object = DigestOf("a"), .is_record = true};
  const RepairPlan plan = PlanRepairs({Result("block", "a"), Result("other", "b")}, {fault});
  ASSERT_THAT(plan.records, SizeIs(1));
  EXPECT_EQ(plan.records[0].action, DigestOf("a"));
  EXPECT_EQ(plan.records[0].task_key, DigestOf("task of a").hex());
  EXPECT_THAT(plan.lost, IsEmpty());
  EXPECT_THAT(plan.remove_blobs, IsEmpty());
}

TEST(RepairPlanTest, BytesThatAreRightAndNoManifestAreNotRemoved) {
  const RepairPlan plan = PlanRepairs({Result("block", "a")}, {BlobFault(FaultKind::kInvalid, "block", {"block"})});
  EXPECT_THAT(plan.remove_blobs, IsEmpty());
  EXPECT_THAT(plan.lost, SizeIs(1));
}

TEST(RepairPlanTest, WhatTheCoordinatorNamesNoMoreIsLeftAlone) {
  const Fault record{.kind = FaultKind::kGone, .object = DigestOf("b"), .is_record = true};
  const RepairPlan plan = PlanRepairs({Result("block", "a")}, {BlobFault(FaultKind::kBytes, "one", {"gone"}), record});
  EXPECT_THAT(plan.damage, IsEmpty());
  EXPECT_THAT(plan.remove_blobs, IsEmpty());
  EXPECT_THAT(plan.records, IsEmpty());
}

TEST(RepairPlanTest, ClaimsAreArtifactsAndTheOutputsOfEveryAction) {
  const StatusOr<StoredClaims> claims = ClaimsOf({Stored("model", lwqat::v1::ARTIFACT_ORIGIN_INPUT, "model"),
                                                  Result("x", "a", "first"), Result("y", "a", "second")});
  ASSERT_TRUE(claims.ok());
  EXPECT_THAT(claims->artifacts, SizeIs(3));
  ASSERT_THAT(claims->results, SizeIs(1));
  EXPECT_THAT(claims->results.at(DigestOf("a")), SizeIs(2));
  StoredArtifact alone = Result("", "record alone");
  alone.clear_artifact();
  EXPECT_THAT(ClaimsOf({alone})->artifacts, IsEmpty());
  EXPECT_THAT(ClaimsOf({alone})->results.at(DigestOf("record alone")), IsEmpty());
  StoredArtifact nonsense = Result("x", "a");
  nonsense.set_action_key("no digest");
  EXPECT_TRUE(absl::IsDataLoss(ClaimsOf({nonsense}).status()));
}

}  // namespace
}  // namespace lwq::client
