// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/safetensors.h"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

std::string LittleEndian(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return bytes;
}

std::string File(const std::string& header, size_t data_bytes) {
  return absl::StrCat(LittleEndian(header.size()), header, std::string(data_bytes, 'd'));
}

StatusOr<SafetensorsFile> Parse(std::string file) {
  return SafetensorsFile::Parse(Bytes::FromString(std::move(file)), "m.st");
}

std::map<std::string, HostTensor> SmallTensors() {
  std::string floats(24, '\0');
  for (size_t i = 0; i < floats.size(); ++i) floats[i] = static_cast<char>(i);
  return {{"a.weight", {DType::kF32, {2, 3}, Bytes::FromString(floats)}},
          {"b", {DType::kU8, {3}, Bytes::FromString("xyz")}},
          {"empty", {DType::kI64, {0, 4}, Bytes()}},
          {"scalar", {DType::kBF16, {}, Bytes::FromString("hi")}}};
}

std::string SmallFile() {
  return SerializeSafetensors(SmallTensors(), {{"format", "pt"}, {"note", "\"quoted\" é"}}).value();
}

TEST(SafetensorsTest, WhatIsWrittenReadsBack) {
  const StatusOr<SafetensorsFile> file = Parse(SmallFile());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->header().metadata.at("note"), "\"quoted\" é");
  EXPECT_EQ(file->header().data_begin_bytes % 8, 0);
  for (const auto& [name, tensor] : SmallTensors()) {
    const StatusOr<HostTensor> read = file->Get(name);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->dtype, tensor.dtype);
    EXPECT_EQ(read->shape, tensor.shape);
    EXPECT_EQ(read->bytes.view(), tensor.bytes.view());
  }
}

TEST(SafetensorsTest, EqualTensorsGiveEqualBytes) {
  EXPECT_EQ(SmallFile(), SmallFile());
}

TEST(SafetensorsTest, AMappedFileIsReadWithoutACopyAndOutlivesItsFile) {
  const test::TemporaryDirectory folder;
  const std::string path = folder.path() + "/model.safetensors";
  test::WriteFile(path, SmallFile());
  HostTensor tensor;
  {
    const StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.status();
    tensor = file->Get("a.weight").value();
    const HostTensor other = file->Get("b").value();
    EXPECT_EQ(tensor.bytes.owner(), other.bytes.owner());
  }
  std::filesystem::remove(path);
  EXPECT_EQ(tensor.bytes.view(), SmallTensors().at("a.weight").bytes.view());
}

TEST(SafetensorsTest, AnAbsentTensorIsNotFoundWithBothNames) {
  const Status status = Parse(SmallFile())->Get("c").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(MessageOf(status)), ::testing::AllOf(HasSubstr("'c'"), HasSubstr("m.st")));
  EXPECT_FALSE(Parse(SmallFile())->Contains("c"));
  EXPECT_TRUE(Parse(SmallFile())->Contains("b"));
}

TEST(SafetensorsTest, TensorsMayBeListedInAnyOrderAndTheHeaderMayBePadded) {
  const StatusOr<SafetensorsFile> file = Parse(File(R"({"z":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},)"
                                                    R"("a":{"dtype":"U8","shape":[1],"data_offsets":[3,4]},)"
                                                    R"("m":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}      )",
                                                    4));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->Get("z")->bytes.size(), 2u);
}

// Sizes in bits as safetensors 0.8 has them; of a name that nobody knows, any size is accepted.
TEST(SafetensorsTest, TensorsOfOtherDtypesAreListedAndRefusedWhenAskedFor) {
  const std::vector<std::pair<std::string, int>> bits = {
      {"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6}, {"F8_E5M2", 8}, {"F8_E4M3", 8},
      {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"U32", 32},
      {"C64", 64},    {"U64", 64},        {"F128", 128},      {"mystery", 3}};
  for (const auto& [dtype, width] : bits) {
    const auto header = [&dtype = dtype](int64_t bytes) {
      return absl::StrCat(R"({"t":{"dtype":")", dtype, R"(","shape":[2,4],"data_offsets":[0,)", bytes, "]}}");
    };
    const StatusOr<SafetensorsFile> file = Parse(File(header(width), static_cast<size_t>(width)));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->header().tensors.at("t").dtype_name(), dtype);
    const Status status = file->Get("t").status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(MessageOf(status)),
                ::testing::AllOf(HasSubstr("m.st"), HasSubstr("'t'"), HasSubstr(absl::StrCat("'", dtype, "'"))));
    const bool known = dtype != "F128" && dtype != "mystery";
    EXPECT_EQ(Parse(File(header(width + 1), static_cast<size_t>(width + 1))).ok(), !known) << dtype;
  }
}

TEST(SafetensorsTest, AFileWithoutTensorsIsValid) {
  EXPECT_TRUE(Parse(File("{}", 0)).ok());
  EXPECT_TRUE(Parse(File(R"({"__metadata__":{}})", 0)).ok());
}

struct HostileCase {
  std::string name;
  std::string file;
  absl::StatusCode code;
  std::string says;
};

std::vector<HostileCase> HostileCases() {
  const auto loss = absl::StatusCode::kDataLoss;
  const auto one = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return absl::StrCat(R"({"t":{"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)", offsets, "}}");
  };
  const std::string small = SmallFile();
  return {
      {"an_empty_file", "", loss, "only 0 bytes"},
      {"seven_bytes", "1234567", loss, "only 7 bytes"},
      {"a_header_longer_than_the_file", LittleEndian(1000) + "{}", loss, "header claims 1000 bytes, the file has 10"},
      {"a_header_beyond_the_limit", LittleEndian((100 << 20) + 1) + "{}", loss, "at most"},
      {"a_header_of_2_to_the_64", LittleEndian(UINT64_MAX) + "{}", loss, "at most"},
      {"a_header_of_2_to_the_63", LittleEndian(uint64_t{1} << 63) + "{}", loss, "at most"},
      {"an_empty_header", File("", 0), loss, "not valid JSON"},
      {"a_header_that_is_not_json", File("{\"t\":", 0), loss, "not valid JSON"},
      {"a_header_that_is_a_list", File("[]", 0), loss, "not a JSON object"},
      {"a_header_nested_too_deep", File(std::string(100'000, '['), 0), loss, "nested deeper"},
      {"a_header_that_is_not_utf8", File("{\"\xff\xfe\":1}", 0), loss, "not valid JSON"},
      {"two_tensors_of_one_name",
       File(
           R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
           1),
       loss, "'t' appears twice"},
      {"a_key_given_twice", File(R"({"t":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1), loss,
       "'dtype' appears twice"},
      {"a_tensor_that_is_not_an_object", File(R"({"t":3})", 0), loss, "not described by an object"},
      {"no_dtype", File(R"({"t":{"shape":[1],"data_offsets":[0,1]}})", 1), loss, "has no dtype"},
      {"a_dtype_that_is_a_number", File(R"({"t":{"dtype":4,"shape":[1],"data_offsets":[0,1]}})", 1), loss,
       "has no dtype"},
      {"an_8_bit_float_of_two_bytes", File(one("F8_E4M3", "[1]", "[0,2]"), 2), loss,
       "needs 1 bytes by its shape and has 2"},
      {"bools_that_are_too_few", File(one("BOOL", "[3]", "[0,2]"), 2), loss, "needs 3 bytes by its shape and has 2"},
      {"4_bit_floats_that_end_inside_a_byte", File(one("F4", "[3]", "[0,2]"), 2), loss, "does not end at a whole byte"},
      {"no_shape", File(R"({"t":{"dtype":"U8","data_offsets":[0,1]}})", 1), loss, "no array 'shape'"},
      {"a_shape_that_is_a_number", File(one("U8", "1", "[0,1]"), 1), loss, "no array 'shape'"},
      {"a_negative_dimension", File(one("U8", "[-1]", "[0,1]"), 1), loss, "non-negative"},
      {"a_fractional_dimension", File(one("U8", "[1.0]", "[0,1]"), 1), loss, "non-negative"},
      {"a_dimension_beyond_int64", File(one("U8", "[18446744073709551615]", "[0,1]"), 1), loss, "non-negative 64-bit"},
      {"a_product_that_overflows", File(one("U8", "[4294967296,4294967296]", "[0,1]"), 1), loss, "overflows"},
      {"a_product_that_overflows_to_the_right_size", File(one("F32", "[4611686018427387905]", "[0,4]"), 4), loss,
       "overflows"},
      {"a_zero_that_hides_an_overflow", File(one("U8", "[4294967296,4294967296,0]", "[0,0]"), 0), loss, "overflows"},
      {"no_offsets", File(R"({"t":{"dtype":"U8","shape":[1]}})", 1), loss, "no array 'data_offsets'"},
      {"three_offsets", File(one("U8", "[1]", "[0,1,2]"), 1), loss, "not a pair"},
      {"a_negative_offset", File(one("U8", "[1]", "[-1,0]"), 1), loss, "non-negative"},
      {"offsets_out_of_order", File(one("U8", "[1]", "[1,0]"), 1), loss, "before it begins"},
      {"an_end_behind_the_file", File(one("U8", "[2]", "[0,2]"), 1), loss, "behind the 1 bytes"},
      {"an_end_near_int64_max", File(one("U8", "[1]", "[9223372036854775806,9223372036854775807]"), 1), loss,
       "behind the"},
      {"a_shape_larger_than_its_bytes", File(one("F32", "[2]", "[0,4]"), 4), loss,
       "needs 8 bytes by its shape and has 4"},
      {"a_dtype_wrong_for_its_bytes", File(one("I64", "[1]", "[0,4]"), 4), loss,
       "needs 8 bytes by its shape and has 4"},
      {"overlapping_tensors",
       File(
           R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
           4),
       loss, "'b' overlaps tensor 'a'"},
      {"one_tensor_inside_another",
       File(
           R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
           4),
       loss, "overlaps"},
      {"a_hole_between_tensors",
       File(
           R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
           3),
       loss, "hole of 1 bytes"},
      {"a_hole_before_the_first", File(one("U8", "[1]", "[1,2]"), 2), loss, "hole of 1 bytes"},
      {"bytes_behind_the_last", File(one("U8", "[1]", "[0,1]"), 5), loss, "holds 4 bytes behind its last tensor"},
      {"metadata_that_is_not_an_object", File(R"({"__metadata__":[]})", 0), loss, "__metadata__ is not an object"},
      {"metadata_that_is_not_text", File(R"({"__metadata__":{"k":1}})", 0), loss, "__metadata__ 'k' is not a string"},
      {"a_file_cut_in_the_data", small.substr(0, small.size() - 1), loss, "truncated"},
      {"a_file_cut_in_the_header", small.substr(0, 40), loss, "truncated"},
  };
}

class HostileSafetensorsTest : public ::testing::TestWithParam<HostileCase> {};

TEST_P(HostileSafetensorsTest, IsRefusedWithOneLineThatSaysWhy) {
  const Status status = Parse(GetParam().file).status();
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(MessageOf(status)), ::testing::AllOf(HasSubstr(GetParam().says), HasSubstr("m.st")));
  EXPECT_EQ(std::string(MessageOf(status)).find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Files, HostileSafetensorsTest, ::testing::ValuesIn(HostileCases()),
                         [](const ::testing::TestParamInfo<HostileCase>& hostile) { return hostile.param.name; });

TEST(SafetensorsTest, WritingRefusesTensorsThatAreNotWhatTheySay) {
  const auto refused = [](HostTensor tensor) {
    return absl::IsInvalidArgument(SerializeSafetensors({{"t", std::move(tensor)}}, {}).status());
  };
  EXPECT_TRUE(refused({DType::kF32, {2}, Bytes::FromString("1234567")}));
  EXPECT_TRUE(refused({DType::kF32, {-1}, Bytes()}));
  EXPECT_TRUE(refused({DType::kU8, {int64_t{1} << 62, 4}, Bytes()}));
  EXPECT_TRUE(
      absl::IsInvalidArgument(SerializeSafetensors({{"__metadata__", {DType::kU8, {0}, Bytes()}}}, {}).status()));
}

// Everything a caller may do with a parsed file. Touches every byte, so that a wrong range shows under a sanitizer.
uint64_t UseEverything(const SafetensorsFile& file) {
  uint64_t sum = 0;
  for (const auto& [name, entry] : file.header().tensors) {
    if (!entry.other_dtype.empty()) continue;  // a mutated dtype
    const HostTensor tensor = file.Get(name).value();
    EXPECT_EQ(ElementCount(tensor.shape).value() * DTypeBytes(tensor.dtype), static_cast<int64_t>(tensor.bytes.size()));
    for (const std::byte b : tensor.bytes.span()) sum += static_cast<uint64_t>(b);
  }
  return sum;
}

// 5,000 damaged files: flipped bits, changed digits, cut, grown, spliced. Each is refused as damaged or is a
// consistent file; none may crash or hand out bytes outside the file.
TEST(SafetensorsTest, MutatedFilesNeverCrashAndNeverLie) {
  const unsigned seed = 20240611;
  std::mt19937 random(seed);
  const std::string original = SmallFile();
  const std::string interesting = "0123456789-+.eE\"[]{},:\\\x7f\xff";
  int accepted = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string file = original;
    for (unsigned edits = 1 + random() % 4; edits > 0 && !file.empty(); --edits) {
      const size_t at = random() % file.size();
      switch (random() % 6) {
        case 0:
          file[at] = static_cast<char>(file[at] ^ 1 << random() % 8);
          break;
        case 1:
          file[at] = interesting[random() % interesting.size()];
          break;
        case 2:
          file.resize(at);
          break;
        case 3:
          file.insert(at, 1 + random() % 9, interesting[random() % interesting.size()]);
          break;
        case 4:
          file.erase(at, 1 + random() % 9);
          break;
        case 5:
          file.replace(at, random() % 9, original, random() % original.size(), random() % 30);
          break;
      }
    }
    const StatusOr<SafetensorsFile> parsed = Parse(file);
    if (parsed.ok()) {
      ++accepted;
      UseEverything(*parsed);
    } else {
      EXPECT_TRUE(absl::IsDataLoss(parsed.status()) || absl::IsFailedPrecondition(parsed.status()))
          << parsed.status() << ", mutation " << i << ", seed " << seed;
    }
  }
  EXPECT_GT(accepted, 10) << "mutations of names and data alone must be accepted; seed " << seed;
  EXPECT_LT(accepted, 2'500) << "seed " << seed;
}

// Files that somebody else's program wrote.
TEST(SafetensorsTest, TheReferenceFilesAreRead) {
  const char* from_environment = std::getenv("LWQ_REFERENCE");
  const std::string reference =
      from_environment != nullptr ? from_environment : std::string(LWQ_SOURCE_DIR) + "/../shared/reference";
  if (!std::filesystem::exists(reference)) {
    GTEST_SKIP() << "no reference data at " << reference << " (set LWQ_REFERENCE)";
  }
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(reference)) {
    if (entry.path().extension() != ".safetensors") continue;
    const StatusOr<SafetensorsFile> file = SafetensorsFile::Open(entry.path().string());
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_FALSE(file->header().tensors.empty()) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 5);
}

}  // namespace
}  // namespace lwq
