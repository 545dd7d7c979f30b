// SPDX-License-Identifier: Apache-2.0
#include "common/text/utf8.h"

#include <gtest/gtest.h>

namespace lwq {
namespace {

TEST(Utf8, EveryCodePointReadsBackAndSurrogatesDoNot) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    std::string text;
    AppendUtf8(c, &text);
    const Utf8Char read = DecodeUtf8Char(text);
    const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
    ASSERT_EQ(read.valid, !surrogate) << static_cast<uint32_t>(c);
    if (surrogate) continue;
    ASSERT_EQ(read.code_point, c);
    ASSERT_EQ(read.size_bytes, text.size());
  }
}

// Expected strings are those of Python's bytes.decode("utf-8", "replace").
TEST(Utf8, InvalidSequencesAreReplacedAsPythonDoes) {
  const std::string r(kReplacementCharacter);
  EXPECT_EQ(ReplaceInvalidUtf8("ok \xC3\xA9"), "ok é");
  EXPECT_EQ(ReplaceInvalidUtf8("a\xFF"
                               "b"),
            "a" + r + "b");
  EXPECT_EQ(ReplaceInvalidUtf8("\xE4\xBD"), r);
  EXPECT_EQ(ReplaceInvalidUtf8("\xE4\xBD"
                               "x"),
            r + "x");
  EXPECT_EQ(ReplaceInvalidUtf8("\xF0\x9F\x98"), r);
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF"), r + r);
  EXPECT_EQ(ReplaceInvalidUtf8("\xE0\x80\xAF"), r + r + r);
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80"), r + r + r);
  EXPECT_EQ(ReplaceInvalidUtf8("\xF4\x90\x80\x80"), r + r + r + r);
}

TEST(Utf8, TheFirstInvalidByteIsFound) {
  EXPECT_EQ(FindInvalidUtf8(""), std::string_view::npos);
  EXPECT_EQ(FindInvalidUtf8("é\xC3"), 2u);
  EXPECT_EQ(FindInvalidUtf8(std::string_view("a\0b", 3)), std::string_view::npos);
}

}  // namespace
}  // namespace lwq
