// SPDX-License-Identifier: Apache-2.0
#include "common/text/one_line.h"

#include <random>
#include <string>

#include "common/text/utf8.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

bool IsValid(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = DecodeUtf8Char(text);
    if (!c.valid) return false;
    text.remove_prefix(c.size_bytes);
  }
  return true;
}

TEST(OneLineTest, ALineOfTextIsReturnedAsItIs) {
  for (const std::string_view line : {"", "plain", "naïve café ▁the 日本 🙂", "a  b"}) {
    EXPECT_EQ(OneLine(line, line.size()), line);
  }
}

TEST(OneLineTest, LineBreaksAndControlsBecomeSpaces) {
  EXPECT_EQ(OneLine("a\nb\r\nc\td\x1b[1m\x7f", 100), "a b  c d [1m ");
  EXPECT_EQ(OneLine("a\xC2\x85"
                    "b\xE2\x80\xA8"
                    "c\xE2\x80\xA9",
                    100),
            "a b c ");
}

TEST(OneLineTest, BytesThatAreNotUtf8BecomeReplacementCharacters) {
  EXPECT_EQ(OneLine("caf\xe9!", 100), "caf\uFFFD!");
  EXPECT_EQ(OneLine("\xed\xa0\x80", 100), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(OneLine("\xe2\x80", 100), "\uFFFD");
}

TEST(OneLineTest, WhatIsTooLongIsCutBetweenCharacters) {
  EXPECT_EQ(OneLine("abcdefgh", 6), "abc…");
  EXPECT_EQ(OneLine("ééééé", 8), "éé…");
  EXPECT_EQ(OneLine("abc", 2), "ab");
  EXPECT_EQ(OneLine("🙂", 3), "…");
  EXPECT_EQ(OneLine("🙂", 2), "");
  EXPECT_EQ(OneLine("abc", 0), "");
}

TEST(OneLineTest, AnyBytesBecomeAValidLineOfBoundedLengthThatStaysAsItIs) {
  const unsigned seed = 5;
  std::mt19937 random(seed);
  const std::string_view pieces[] = {"a", "é", "🙂", "\xff", "\xe2\x80", "\n", "\xc2", "\x80", "日"};
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (size_t n = random() % 40; n > 0; --n) text.append(pieces[random() % std::size(pieces)]);
    const size_t max_bytes = random() % 50;
    const std::string line = OneLine(text, max_bytes);
    ASSERT_LE(line.size(), max_bytes) << "seed " << seed;
    ASSERT_TRUE(IsValid(line)) << "seed " << seed;
    ASSERT_EQ(OneLine(line, max_bytes), line) << "seed " << seed;
  }
}

}  // namespace
}  // namespace lwq
