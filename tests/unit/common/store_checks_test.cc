// SPDX-License-Identifier: Apache-2.0
// The rules about keys, without any store.
#include "common/object_store/store_checks.h"

#include <string>

#include "common/object_store/object_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

std::string Message(const Status& status) {
  return std::string(MessageOf(status));
}

TEST(ObjectKeyTest, AnErrorSaysWhichRuleTheKeyBreaks) {
  EXPECT_THAT(Message(ValidateObjectKey("")), HasSubstr("empty"));
  EXPECT_THAT(Message(ValidateObjectKey("/a")), HasSubstr("empty segment"));
  EXPECT_THAT(Message(ValidateObjectKey("a/../b")), HasSubstr("'..'"));
  EXPECT_THAT(Message(ValidateObjectKey("a b")), HasSubstr("may hold only"));
  EXPECT_THAT(Message(ValidateObjectKey(std::string(600, 'a'))), HasSubstr("512"));
  EXPECT_THAT(Message(ValidateObjectKey(std::string(300, 'a'))), HasSubstr("200"));
}

TEST(ObjectKeyTest, AHostileKeyIsShownShortAndPrintable) {
  const std::string message = Message(ValidateObjectKey("\x1b[2J\n" + std::string(400, 'k')));
  EXPECT_LT(message.size(), 250u);
  for (const char c : message.substr(0, 60)) EXPECT_GE(c, ' ');
}

}  // namespace
}  // namespace lwq
