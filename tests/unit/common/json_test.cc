// SPDX-License-Identifier: Apache-2.0
#include "common/json/json.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "common/text/one_line.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

std::string Message(const Status& status) {
  return std::string(MessageOf(status));
}

TEST(JsonTest, TheCanonicalFormSortsKeysAndHasNoSpace) {
  const StatusOr<Json> json =
      ParseJson(R"( { "b" : [ 1 , 2.50, null ], "a" : { "z" : "\u00e9" , "y":true } } )", "text");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(CanonicalJson(*json), R"({"a":{"y":true,"z":"é"},"b":[1,2.5,null]})");
}

TEST(JsonTest, EqualValuesHaveEqualText) {
  const Json one = ParseJson(R"({"x":1,"y":2})", "text").value();
  const Json two = ParseJson("{\"y\":2,\n\"x\":1}", "text").value();
  EXPECT_EQ(CanonicalJson(one), CanonicalJson(two));
}

TEST(JsonTest, EveryDoubleReadsBackBitForBit) {
  const unsigned seed = 3;
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t bits = random();
    double value;
    static_assert(sizeof(value) == sizeof(bits));
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    const double back = ParseJson(CanonicalJson(Json(value)), "double").value().get<double>();
    ASSERT_EQ(std::memcmp(&back, &value, sizeof(value)), 0) << CanonicalJson(Json(value)) << ", seed " << seed;
  }
}

TEST(JsonTest, IntegersAreExactToTheLastBit) {
  for (const int64_t value : {std::numeric_limits<int64_t>::min(), int64_t{-1}, int64_t{9007199254740993},
                              std::numeric_limits<int64_t>::max()}) {
    const Json json = ParseJson(absl::StrCat("{\"v\":", value, "}"), "text").value();
    EXPECT_EQ(JsonInt(json, "v", "text").value(), value);
  }
}

TEST(JsonTest, TheReasonIsAShortValidLineWhateverTheText) {
  const std::string unclosed = "{\"text\":\"" + std::string(3 << 20, 'x');
  const Status status = ParseJson(unclosed, "c4.jsonl line 7").status();
  EXPECT_LT(status.message().size(), 300u);
  EXPECT_THAT(Message(status), ::testing::AllOf(HasSubstr("c4.jsonl line 7: not valid JSON"),
                                                HasSubstr("missing closing quote"), HasSubstr("column 3145738")));
  for (const std::string_view text : {"\"caf\xe9\"", "{\"a\n\xff\x80", "[\"\xc3"}) {
    const Status refused = ParseJson(text, "file").status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused));
    EXPECT_EQ(OneLine(MessageOf(refused), 1000), MessageOf(refused));
  }
}

TEST(JsonTest, WhatIsNotJsonIsRefusedWithItsName) {
  for (const std::string_view text :
       {"", "{", "{]", "nul", "{\"a\":}", "[1,]", "{'a':1}", "1 2", "\"\xff\"", "{\"a\":1}}", "]", "01", "\x00"}) {
    const Status status = ParseJson(text, "run.json").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(Message(status), HasSubstr("run.json"));
  }
}

TEST(JsonTest, DepthIsLimitedAndBracketsInStringsDoNotCount) {
  EXPECT_TRUE(ParseJson(std::string(64, '[') + std::string(64, ']'), "text").ok());
  EXPECT_THAT(Message(ParseJson(std::string(65, '[') + std::string(65, ']'), "text").status()),
              HasSubstr("nested deeper"));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseJson(std::string(10'000'000, '['), "text").status()));
  EXPECT_TRUE(ParseJson(absl::StrCat("\"", std::string(1000, '['), "\\\"", std::string(1000, '{'), "\""), "text").ok());
}

TEST(JsonTest, RepeatedKeysAreRefusedOnRequestAtAnyDepth) {
  const std::string_view flat = R"({"a":1,"b":2,"a":3})";
  EXPECT_EQ(ParseJson(flat, "text").value()["a"], 3);
  for (const std::string_view text : {flat, std::string_view(R"({"x":[{"k":1},{"k":{},"k":2}]})"),
                                      std::string_view(R"({"a":{"a":{"a":1}},"a":0})")}) {
    const Status status = ParseJson(text, "text", DuplicateKeys::kRefuse).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(Message(status), HasSubstr("twice"));
  }
  EXPECT_TRUE(ParseJson(R"({"a":{"a":[{"a":1},{"a":2}]}})", "text", DuplicateKeys::kRefuse).ok());
}

TEST(JsonTest, TypedAccessNamesFileAndKey) {
  const Json json =
      ParseJson(R"({"i":1,"d":1.5,"s":"x","b":true,"big":18446744073709551615,"n":null})", "text").value();
  EXPECT_EQ(JsonInt(json, "i", "f").value(), 1);
  EXPECT_EQ(JsonDouble(json, "i", "f").value(), 1.0);
  EXPECT_EQ(JsonDouble(json, "d", "f").value(), 1.5);
  EXPECT_EQ(JsonString(json, "s", "f").value(), "x");
  EXPECT_TRUE(JsonBool(json, "b", "f").value());
  EXPECT_THAT(Message(JsonInt(json, "absent", "f").status()), HasSubstr("f: 'absent' is missing"));
  EXPECT_THAT(Message(JsonInt(json, "d", "f").status()), HasSubstr("f: 'd' must be an integer, not 1.5"));
  EXPECT_TRUE(absl::IsInvalidArgument(JsonInt(json, "big", "f").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(JsonInt(json, "b", "f").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(JsonDouble(json, "s", "f").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(JsonString(json, "n", "f").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(JsonBool(json, "i", "f").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(JsonInt(Json::array(), "i", "f").status()));
}

}  // namespace
}  // namespace lwq
