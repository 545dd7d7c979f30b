// SPDX-License-Identifier: Apache-2.0
#include "common/status/status.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

StatusOr<int> Half(int value) {
  if (value % 2 != 0) return absl::InvalidArgumentError("odd");
  return value / 2;
}

StatusOr<int> Quarter(int value) {
  LWQ_ASSIGN_OR_RETURN(const int half, Half(value));
  LWQ_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

Status CheckQuarter(int value) {
  LWQ_RETURN_IF_ERROR(Quarter(value));
  LWQ_RETURN_IF_ERROR(Quarter(value).status());
  return absl::OkStatus();
}

TEST(StatusTest, AnnotateKeepsTheCodeAndPutsTheContextInFront) {
  Status status = absl::NotFoundError("no such blob");
  status.SetPayload("type.lwqat/detail", absl::Cord("bytes"));
  const Status annotated = Annotate(status, "block 3");
  EXPECT_TRUE(absl::IsNotFound(annotated));
  EXPECT_EQ(MessageOf(annotated), "block 3: no such blob");
  ASSERT_TRUE(annotated.GetPayload("type.lwqat/detail").has_value());
  EXPECT_EQ(std::string(*annotated.GetPayload("type.lwqat/detail")), "bytes");
}

TEST(StatusTest, AnnotateLeavesSuccessAlone) {
  EXPECT_TRUE(Annotate(absl::OkStatus(), "anything").ok());
}

TEST(StatusTest, TheMacrosReturnTheFirstErrorAndElseTheValue) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_TRUE(absl::IsInvalidArgument(Quarter(6).status()));
  EXPECT_TRUE(CheckQuarter(8).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(CheckQuarter(7)));
}

TEST(StatusTest, AssignOrReturnMovesWhatCannotBeCopied) {
  const auto make = []() -> StatusOr<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  const auto use = [&]() -> StatusOr<int> {
    LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<int> pointer, make());
    return *pointer;
  };
  EXPECT_EQ(use().value(), 7);
}

TEST(StatusTest, StrCatTakesStdStringViewInAnyPlace) {
  const std::string_view view = "view";
  EXPECT_EQ(absl::StrCat(view), "view");
  EXPECT_EQ(absl::StrCat("a", 1, view, std::string("s"), 2.5, view, 'x' == 'x'), "a1views2.5view1");
  std::string text = "<";
  absl::StrAppend(&text, view, ">");
  EXPECT_EQ(text, "<view>");
}

TEST(StatusDeathTest, AFailedCheckSaysWhereWhatAndWhy) {
  const int blocks = 3;
  EXPECT_DEATH(LWQ_CHECK(blocks == 4, "blocks: ", blocks),
               "status_test.cc:[0-9]+: check failed: blocks == 4: blocks: 3");
  EXPECT_DEATH(LWQ_CHECK(blocks == 4), "check failed: blocks == 4");
}

}  // namespace
}  // namespace lwq
