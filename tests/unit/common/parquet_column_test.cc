// SPDX-License-Identifier: Apache-2.0
// Texts out of Parquet files that pyarrow 26.0.1 and polars 2.1.0 wrote (scripts/make_parquet_golden).
#include "common/parquet/parquet_column.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/json/json.h"
#include "common/parquet/snappy.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Golden(const std::string& name) {
  return test::ReadFileOrEmpty(absl::StrCat(LWQ_SOURCE_DIR, "/tests/unit/common/golden/parquet/", name));
}

TEST(ParquetTextsTest, TheTextsAreThoseThatPyarrowAndPolarsWrote) {
  const auto held = ParseJson(Golden("texts.json"), "texts.json");
  ASSERT_TRUE(held.ok()) << held.status();
  int files = 0;
  for (const Json& one : *held) {
    for (const std::string name : one.at("files")) {
      const auto read = ReadParquetTexts(name, Golden(name + ".parquet"), "text");
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_TRUE(*read == one.at("texts").get<std::vector<std::string>>()) << name;
      ++files;
    }
  }
  EXPECT_EQ(files, 9);
}

TEST(ParquetTextsTest, WhatIsNotReadIsRefusedByName) {
  const auto said = [](const std::string& name, std::string_view column = "text") {
    const Status status = ReadParquetTexts(name, Golden(name + ".parquet"), column).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(MessageOf(status));
  };
  EXPECT_THAT(said("zstd"), StartsWith("zstd: a column packed by zstd is not read"));
  EXPECT_THAT(said("null"), HasSubstr("rows that have no text"));
  EXPECT_THAT(said("delta"), HasSubstr("a column in encoding 7"));
  EXPECT_THAT(said("snappy", "sentence"), HasSubstr("has no column sentence; its columns are id, text, words"));
  EXPECT_THAT(said("snappy", "id"), HasSubstr("not one of texts"));
  EXPECT_THAT(said("snappy", "words"), HasSubstr("not one of texts"));
  EXPECT_THAT(std::string(MessageOf(ReadParquetTexts("x", "<html>", "text").status())), HasSubstr("no Parquet file"));
}

TEST(ParquetTextsTest, DamageIsAnErrorAndNeverAnotherText) {
  const std::string whole = Golden("snappy.parquet");
  const auto texts = ReadParquetTexts("whole", whole, "text");
  ASSERT_TRUE(texts.ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ReadParquetTexts("cut", whole.substr(0, size), "text").ok()) << size;
  }
  // A changed byte may change a text (files are compared with their digests before); reading it must end.
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {1, 0x80, 0xff}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ change);
      const auto read = ReadParquetTexts("changed", changed, "text");
      if (!read.ok()) continue;
      EXPECT_EQ(read->size(), texts->size());
    }
  }
}

TEST(SnappyTest, CopiesMayOverlapAndNothingLeadsOutside) {
  using std::string_literals::operator""s;
  // 9 bytes: "ab" as it is, then seven from two before.
  EXPECT_EQ(*Unsnappy("\x09\x04"
                      "ab"
                      "\x0d\x02"s,
                      100),
            "ababababa");
  EXPECT_EQ(*Unsnappy("\x00"s, 100), "");
  for (const std::string& bad : {""s, "\x09"s,
                                 "\x09\x04"
                                 "ab"
                                 "\x0d\x03"s,
                                 "\x09\x04"
                                 "ab"
                                 "\x0d\x00"s,
                                 "\x03\x04"
                                 "ab"
                                 "\x0d\x02"s,
                                 "\xff\xff\xff\xff\x7f\x00"s, "\x05\xf0"s}) {
    EXPECT_FALSE(Unsnappy(bad, 1 << 30).ok());
  }
  EXPECT_FALSE(Unsnappy("\x09\x04"
                        "ab"
                        "\x0d\x02"s,
                        8)
                   .ok())
      << "more than is taken";
}

}  // namespace
}  // namespace lwq
