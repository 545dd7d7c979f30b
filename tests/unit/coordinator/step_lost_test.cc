// SPDX-License-Identifier: Apache-2.0
// Results that a verification reports as lost: made again at once where a task reads them, else once somebody does.
#include "coordinator/scheduler/state/stored_artifacts.h"
#include "coordinator/scheduler/step/step.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::CheckIndexes;
using testing::CheckStored;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::SchedulerHarness;

class LoseArtifactsTest : public ::testing::Test {
 protected:
  LoseArtifactsTest() : worker_(harness_.Register("a")) { run_ = harness_.Submit(BlockApSpec(2)); }

  Digest Output(const std::string& title, const std::string& role) const {
    return harness_.state().actions.at(harness_.TaskTitled(run_, title).action_key).outputs.at(role).digest;
  }
  LostReply Lose(const std::vector<Digest>& artifacts) {
    const Effects effects = harness_.Do(LoseArtifacts{artifacts});
    LWQ_CHECK(effects.status.ok());
    EXPECT_EQ(CheckIndexes(harness_.state()), "");
    EXPECT_EQ(CheckStored(harness_.state(), *harness_.store().Load()), "");
    return std::get<LostReply>(effects.reply);
  }
  std::vector<Digest> Stored() const {
    std::vector<Digest> digests;
    for (const StoredArtifact& stored : StoredArtifactsOf(harness_.state())) {
      if (!stored.artifact.digest.is_zero()) digests.push_back(stored.artifact.digest);
    }
    return digests;
  }

  SchedulerHarness harness_;
  const WorkerId worker_;
  RunId run_;
};

TEST_F(LoseArtifactsTest, AResultOfARunThatHasEndedIsGivenUpAndMadeAgainOnceSomebodyReadsIt) {
  harness_.RunToEnd(worker_);
  const RunResult result = harness_.run(run_).record.result;
  const Digest checkpoint = Output("train block 0", "block");
  EXPECT_THAT(Stored(), Contains(checkpoint));
  const LostReply reply = Lose({checkpoint});
  EXPECT_EQ(reply.given_up, 1);
  EXPECT_EQ(reply.made_again, 0);
  EXPECT_THAT(Stored(), Not(Contains(checkpoint)));
  EXPECT_THAT(harness_.RunToEnd(worker_), IsEmpty()) << "nobody reads it";
  EXPECT_EQ(harness_.run(run_).record.result, result);
  RunSpec other = BlockApSpec(2);
  other.recipe.export_format = ExportFormat::kCompressedTensors;
  harness_.Submit(other);
  EXPECT_THAT(harness_.RunToEnd(worker_), Contains("train block 0"));
  EXPECT_THAT(Stored(), Contains(checkpoint));
}

TEST_F(LoseArtifactsTest, ALostExportIsMadeAgainByWhoFetchesIt) {
  harness_.RunToEnd(worker_);
  const Digest exported = harness_.run(run_).record.result.exported->digest;
  EXPECT_EQ(Lose({exported}).given_up, 1);
  ASSERT_TRUE(harness_.Do(RemakeArtifact{run_.value, exported}).status.ok());
  EXPECT_THAT(harness_.RunToEnd(worker_), ElementsAre("export gptq_v2"));
  EXPECT_THAT(Stored(), Contains(exported));
}

TEST_F(LoseArtifactsTest, WhatATaskStillReadsIsMadeAgainAtOnce) {
  const Lease waiting = harness_.RunUntil(worker_, "train block 1");
  ASSERT_TRUE(harness_.Release(worker_, waiting).ok());
  const Digest checkpoint = Output("train block 0", "block");
  const LostReply reply = Lose({checkpoint});
  EXPECT_EQ(reply.made_again, 1);
  EXPECT_EQ(reply.given_up, 0);
  EXPECT_THAT(harness_.RunToEnd(worker_), Contains("train block 0"));
  EXPECT_EQ(harness_.run(run_).record.state, RunState::kSucceeded);
  EXPECT_THAT(Stored(), Contains(checkpoint));
}

TEST_F(LoseArtifactsTest, ALostActivationIsMadeAgainWhereItIsRead) {
  const Lease waiting = harness_.RunUntil(worker_, "train block 1");
  ASSERT_TRUE(harness_.Release(worker_, waiting).ok());
  int lost = 0;
  for (const auto& [role, input] : waiting.def->inputs) {
    const auto* made = std::get_if<TaskOutputRef>(&input);
    if (made == nullptr || !harness_.state().activations.all().contains(waiting.inputs.at(role).digest)) continue;
    EXPECT_EQ(Lose({waiting.inputs.at(role).digest}).made_again, 1) << role;
    EXPECT_EQ(harness_.task(made->derivation_key).state, TaskState::kReady) << role;
    harness_.RunUntil(worker_, "train block 1");
    harness_.Restart();
    ++lost;
    break;
  }
  EXPECT_EQ(lost, 1) << "it reads an activation";
  harness_.RunToEnd(worker_);
  EXPECT_EQ(harness_.run(run_).record.state, RunState::kSucceeded);
}

TEST_F(LoseArtifactsTest, ARestartForgetsNothingOfIt) {
  harness_.RunToEnd(worker_);
  const std::vector<Digest> before = Stored();
  const Digest checkpoint = Output("train block 0", "block");
  const Digest activations = Output("embed calibration tokens", "activations");
  EXPECT_EQ(Lose({checkpoint, activations}).given_up, 2);
  const std::vector<Digest> after = Stored();
  EXPECT_EQ(after.size(), before.size() - 2);
  harness_.Restart();
  EXPECT_EQ(Stored(), after);
  EXPECT_EQ(CheckIndexes(harness_.state()), "");
}

TEST_F(LoseArtifactsTest, ReportedTwiceOrUnknownItIsNothing) {
  harness_.RunToEnd(worker_);
  const Digest checkpoint = Output("train block 0", "block");
  Lose({checkpoint, checkpoint});
  const std::string before = testing::DescribeDurable(harness_.state());
  const LostReply again = Lose({checkpoint, DigestOf("unknown"), BlockApSpec(2).model->files.digest});
  EXPECT_EQ(again.given_up, 0);
  EXPECT_EQ(again.made_again, 0);
  EXPECT_EQ(testing::DescribeDurable(harness_.state()), before);
}

TEST_F(LoseArtifactsTest, WhatIsStoredSaysWhatItIs) {
  harness_.RunToEnd(worker_);
  std::map<std::string, StoredArtifact> by_what;
  for (const StoredArtifact& stored : StoredArtifactsOf(harness_.state())) by_what[stored.what] = stored;
  EXPECT_EQ(by_what.at("model").origin, ArtifactOrigin::kInput);
  EXPECT_EQ(by_what.at("model").run, run_);
  const StoredArtifact& exported = by_what.at("export gptq_v2");
  EXPECT_EQ(exported.origin, ArtifactOrigin::kResult);
  EXPECT_EQ(exported.role, "files");
  EXPECT_EQ(exported.task, harness_.TaskTitled(run_, "export gptq_v2").key);
  EXPECT_EQ(exported.action, harness_.TaskTitled(run_, "export gptq_v2").action_key);
}

}  // namespace
}  // namespace lwq::coordinator
