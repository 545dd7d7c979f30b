// SPDX-License-Identifier: Apache-2.0
// The ledger alone: what is stored, unneeded, discarded, deleted, and in which order.
#include "coordinator/scheduler/state/activation_ledger.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const WorkerId kA{"w-1"};
const WorkerId kB{"w-2"};

ArtifactRef Sized(const std::string& name, int64_t size_bytes) {
  return {DigestOf(name), size_bytes};
}

class ActivationLedgerTest : public ::testing::Test {
 protected:
  std::vector<ArtifactRef> Offer(const WorkerId& worker, int64_t budget_bytes) {
    return ledger_.Offer(worker, budget_bytes, changes_);
  }
  // The records that the changes so far leave.
  std::map<Digest, bool> Durable() const {
    std::map<Digest, bool> durable;
    for (const Change& change : changes_) {
      if (const auto* put = std::get_if<PutDiscarded>(&change)) {
        durable[put->discarded.artifact.digest] = put->discarded.deleted;
      } else {
        durable.erase(std::get<DropDiscarded>(change).artifact);
      }
    }
    return durable;
  }

  ActivationLedger ledger_;
  std::vector<Change> changes_;
  const ArtifactRef one_ = Sized("one", 10);
  const ArtifactRef two_ = Sized("two", 20);
  const ArtifactRef three_ = Sized("three", 30);
};

TEST_F(ActivationLedgerTest, WithinTheBudgetNothingIsOffered) {
  ledger_.AddResult(one_, 0);
  ledger_.AddResult(two_, 0);
  EXPECT_EQ(ledger_.stored_bytes(), 30);
  EXPECT_THAT(Offer(kA, 30), IsEmpty());
  EXPECT_THAT(changes_, IsEmpty());
}

TEST_F(ActivationLedgerTest, BeyondTheBudgetWhatIsUnneededLongestGoesFirstAndNoMoreThanNecessary) {
  ledger_.AddResult(three_, 1);
  ledger_.AddResult(one_, 0);
  ledger_.AddResult(two_, 1);
  ledger_.AddReaders(two_.digest, -1);
  ledger_.AddReaders(three_.digest, -1);
  EXPECT_THAT(Offer(kA, 59), ElementsAre(one_));
  EXPECT_EQ(ledger_.stored_bytes(), 50);
  EXPECT_EQ(ledger_.discarded_bytes(), 10);
  EXPECT_THAT(Offer(kA, 49), UnorderedElementsAre(one_, two_));
  EXPECT_TRUE(ledger_.IsReadable(three_.digest));
  EXPECT_FALSE(ledger_.IsReadable(two_.digest));
}

TEST_F(ActivationLedgerTest, WhatIsNobodysResultIsDeletedWhateverTheBudgetAndThenForgotten) {
  ledger_.AddResult(two_, 1);
  ledger_.DiscardStray(one_, changes_);
  ledger_.DiscardStray(one_, changes_);
  ledger_.DiscardStray(two_, changes_);
  EXPECT_TRUE(ledger_.IsReadable(two_.digest)) << "that one is a result";
  EXPECT_EQ(ledger_.stored_bytes(), 20);
  EXPECT_EQ(ledger_.discarded_bytes(), 10);
  EXPECT_THAT(Durable(), ElementsAre(std::pair(one_.digest, false)));
  EXPECT_THAT(Offer(kA, 1000), ElementsAre(one_));
  ledger_.Release(kA);
  EXPECT_THAT(Offer(kB, 1000), ElementsAre(one_)) << "another deletes it";
  ledger_.Deleted(kB, one_.digest, changes_);
  EXPECT_EQ(ledger_.discarded_bytes(), 0);
  EXPECT_FALSE(ledger_.all().contains(one_.digest));
  EXPECT_THAT(Durable(), IsEmpty());
}

TEST_F(ActivationLedgerTest, WhatIsReadAgainIsTheLastToGo) {
  ledger_.AddResult(one_, 0);
  ledger_.AddResult(two_, 0);
  ledger_.AddReaders(one_.digest, 1);
  ledger_.AddReaders(one_.digest, -1);
  EXPECT_THAT(Offer(kA, 20), ElementsAre(two_));
}

TEST_F(ActivationLedgerTest, WhatSomebodyReadsIsKeptWhateverTheBudget) {
  ledger_.AddResult(one_, 2);
  ledger_.AddReaders(one_.digest, -1);
  EXPECT_THAT(Offer(kA, 0), IsEmpty());
  ledger_.AddReaders(one_.digest, -1);
  EXPECT_THAT(Offer(kA, 0), ElementsAre(one_));
}

TEST_F(ActivationLedgerTest, EqualResultsAreOneAndTheReadersOfAllCount) {
  ledger_.AddResult(one_, 1);
  ledger_.AddResult(one_, 0);
  EXPECT_EQ(ledger_.stored_bytes(), 10);
  EXPECT_THAT(Offer(kA, 0), IsEmpty());
  ledger_.DropResult(one_.digest, 1, changes_);
  EXPECT_THAT(Offer(kA, 0), ElementsAre(one_)) << "the other task still has it, and nobody reads it there";
}

TEST_F(ActivationLedgerTest, AnOfferIsRepeatedToItsWorkerAloneUntilThatWorkerHasDeletedIt) {
  ledger_.AddResult(one_, 0);
  EXPECT_THAT(Offer(kA, 0), ElementsAre(one_));
  EXPECT_THAT(Offer(kA, 0), ElementsAre(one_));
  EXPECT_THAT(Offer(kB, 0), IsEmpty());
  ledger_.Deleted(kB, one_.digest, changes_);
  EXPECT_EQ(Durable(), (std::map<Digest, bool>{{one_.digest, false}})) << "it was not that worker's to delete";
  ledger_.Deleted(kA, one_.digest, changes_);
  ledger_.Deleted(kA, one_.digest, changes_);
  EXPECT_EQ(Durable(), (std::map<Digest, bool>{{one_.digest, true}}));
  EXPECT_THAT(Offer(kA, 0), IsEmpty());
  EXPECT_EQ(ledger_.discarded_bytes(), 0);
  EXPECT_FALSE(ledger_.IsReadable(one_.digest));
}

TEST_F(ActivationLedgerTest, WhatAVanishedWorkerWasToDeleteIsAnothers) {
  ledger_.AddResult(one_, 0);
  EXPECT_THAT(Offer(kA, 0), ElementsAre(one_));
  ledger_.Release(kA);
  EXPECT_THAT(Offer(kB, 1000), ElementsAre(one_)) << "it was decided, whatever the budget says now";
  ledger_.Deleted(kA, one_.digest, changes_);
  EXPECT_EQ(Durable(), (std::map<Digest, bool>{{one_.digest, false}}));
}

TEST_F(ActivationLedgerTest, AWorkerHasAtMostSoManyInHand) {
  for (int i = 0; i < 40; ++i) ledger_.AddResult(Sized(absl::StrCat(i), 1), 0);
  const std::vector<ArtifactRef> first = Offer(kA, 0);
  EXPECT_THAT(first, SizeIs(ActivationLedger::kMaxOffered));
  EXPECT_EQ(ledger_.stored_bytes(), 40 - static_cast<int64_t>(first.size())) << "the rest is not even decided";
  EXPECT_THAT(Offer(kB, 0), SizeIs(ActivationLedger::kMaxOffered));
  for (const ArtifactRef& artifact : first) ledger_.Deleted(kA, artifact.digest, changes_);
  EXPECT_THAT(Offer(kA, 0), SizeIs(40 - 2 * ActivationLedger::kMaxOffered));
}

TEST_F(ActivationLedgerTest, WhatIsMadeAgainLeavesTheListBeforeAndAfterItWasDeleted) {
  ledger_.AddResult(one_, 0);
  ledger_.AddResult(two_, 0);
  Offer(kA, 0);
  ledger_.Deleted(kA, two_.digest, changes_);
  ledger_.Made(one_.digest, changes_);
  ledger_.Made(two_.digest, changes_);
  EXPECT_EQ(ledger_.stored_bytes(), 30);
  EXPECT_EQ(ledger_.discarded_bytes(), 0);
  EXPECT_THAT(Durable(), IsEmpty());
  EXPECT_TRUE(ledger_.IsReadable(one_.digest));
  EXPECT_THAT(Offer(kA, 30), IsEmpty());
  ledger_.Deleted(kA, one_.digest, changes_);
  EXPECT_TRUE(ledger_.IsReadable(one_.digest)) << "that worker has no say any more";
}

TEST_F(ActivationLedgerTest, AResultThatNobodyRemembersIsForgottenOnceItIsGone) {
  for (const ArtifactRef& artifact : {one_, two_, three_}) ledger_.AddResult(artifact, 0);
  EXPECT_THAT(Offer(kA, 30), UnorderedElementsAre(one_, two_));
  ledger_.Deleted(kA, two_.digest, changes_);
  for (const ArtifactRef& artifact : {one_, two_, three_}) ledger_.DropResult(artifact.digest, 0, changes_);
  EXPECT_EQ(Durable(), (std::map<Digest, bool>{{one_.digest, false}})) << "it still has to be deleted";
  EXPECT_THAT(ledger_.all(), SizeIs(1));
  EXPECT_EQ(ledger_.stored_bytes(), 0);
  ledger_.Deleted(kA, one_.digest, changes_);
  EXPECT_THAT(Durable(), IsEmpty());
  EXPECT_THAT(ledger_.all(), IsEmpty());
}

TEST_F(ActivationLedgerTest, ARestartKeepsWhatIsToBeDeletedAndWhatIsGone) {
  ledger_.Restore({one_, false});
  ledger_.Restore({two_, true});
  for (const ArtifactRef& artifact : {one_, two_, three_}) ledger_.AddResult(artifact, 1);
  EXPECT_EQ(ledger_.stored_bytes(), 30);
  EXPECT_EQ(ledger_.discarded_bytes(), 10);
  EXPECT_FALSE(ledger_.IsReadable(one_.digest));
  EXPECT_FALSE(ledger_.IsReadable(two_.digest));
  EXPECT_THAT(Offer(kB, 1000), ElementsAre(one_));
}

}  // namespace
}  // namespace lwq::coordinator
