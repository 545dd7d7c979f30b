// SPDX-License-Identifier: Apache-2.0
// What the runs of a project name of models and texts, and the bound on it.
#include "coordinator/scheduler/state/project_inputs.h"

#include <span>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::NamedArtifact;
using testing::SchedulerHarness;

RunSpec OfProject(const std::string& project, const std::string& text, int64_t seed = 2) {
  RunSpec spec = testing::BlockApSpec(1);
  spec.project = project;
  spec.eval_texts.at(0).files = NamedArtifact(text);
  spec.recipe.seed = seed;
  return spec;
}

int64_t BytesOf(const RunSpec& spec) {
  ProjectInputs inputs;
  inputs.Add(spec);
  return inputs.total_bytes();
}

SchedulerOptions AtMost(int64_t bytes) {
  SchedulerOptions options;
  options.projects["a"].max_input_bytes = bytes;
  return options;
}

TEST(ProjectInputsTest, AnInputCountsOnceForAProjectAndGoesWithTheLastRunThatNamesIt) {
  ProjectInputs inputs;
  const RunSpec first = OfProject("a", "text"), second = OfProject("a", "text", 3), of_b = OfProject("b", "text");
  for (const RunSpec* spec : {&first, &second, &of_b}) inputs.Add(*spec);
  EXPECT_EQ(inputs.BytesOf("a"), BytesOf(first));
  EXPECT_EQ(inputs.total_bytes(), 2 * BytesOf(first));
  EXPECT_GT(inputs.BytesOf("a"), 0);
  inputs.Remove(first);
  EXPECT_EQ(inputs.BytesOf("a"), BytesOf(first));
  inputs.Remove(second);
  EXPECT_EQ(inputs.BytesOf("a"), 0);
  inputs.Remove(of_b);
  EXPECT_EQ(inputs, ProjectInputs());
}

TEST(ProjectInputsTest, ASubmissionThatWouldExceedTheBoundIsRefusedInOneLineAndOthersAreNot) {
  const RunSpec spec = OfProject("a", "text 1");
  SchedulerHarness harness(AtMost(BytesOf(spec)));
  const RunId first = harness.Submit(spec, "request");
  EXPECT_EQ(harness.Submit(spec, "request"), first) << "the same again adds nothing";
  harness.Submit(OfProject("a", "text 1", 3));
  harness.Submit(OfProject("b", "text 2"));
  const Status refused = harness.Do(SubmitRun{OfProject("a", "text 2"), ""}).status;
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("project 'a' would have "), HasSubstr("(--project-inputs): delete runs")));
}

TEST(ProjectInputsTest, OfRunsThatExceedItTogetherNoneIsAcceptedAndWhatExceedsItByItselfIsToldBeforeTheUpload) {
  SchedulerHarness harness(AtMost(BytesOf(OfProject("a", "text 1"))));
  const std::vector<SubmitRun> runs = {{OfProject("a", "text 1"), ""}, {OfProject("a", "text 2"), ""}};
  EXPECT_EQ(harness.Do(SubmitRuns{runs}).status.code(), absl::StatusCode::kResourceExhausted);
  testing::DirectReader reader(harness.state());
  EXPECT_EQ(ValidateRuns(reader, runs).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(harness.state().runs.empty());
  EXPECT_TRUE(harness.Do(SubmitRuns{{runs[1]}}).status.ok());
  // The names of what is not uploaded yet are not those that are known: it may be the same.
  EXPECT_TRUE(ValidateRuns(reader, std::span(runs).first(1)).ok());
}

TEST(ProjectInputsTest, WhatIsDeletedMakesRoomAndARestartForgetsNothing) {
  const RunSpec spec = OfProject("a", "text 1");
  SchedulerHarness harness(AtMost(BytesOf(spec)));
  const RunId run = harness.Submit(spec);
  harness.Restart();
  const SubmitRun other{OfProject("a", "text 2"), ""};
  EXPECT_EQ(harness.Do(other).status.code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(harness.Do(DeleteRun{run.value, /*force=*/true}).status.ok());
  EXPECT_TRUE(harness.Do(other).status.ok());
}

}  // namespace
}  // namespace lwq::coordinator
