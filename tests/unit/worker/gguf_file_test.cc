// SPDX-License-Identifier: Apache-2.0
// GGUF files: what is written is read, and what is damaged is refused in one line.
#include "common/export/gguf/gguf_file.h"

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/worker/pack_testing.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

GgufMetadata EveryType() {
  GgufMetadata metadata;
  metadata["u8"] = uint8_t{200};
  metadata["i8"] = int8_t{-3};
  metadata["u16"] = uint16_t{60000};
  metadata["i16"] = int16_t{-300};
  metadata["u32"] = uint32_t{4000000000};
  metadata["i32"] = int32_t{-70000};
  metadata["f32"] = 1.5f;
  metadata["bool"] = true;
  metadata["text"] = std::string("▁the\0end", 10);
  metadata["u64"] = uint64_t{1} << 40;
  metadata["i64"] = int64_t{-1} << 40;
  metadata["f64"] = 0.1;
  metadata["texts"] = GgufArray(std::vector<std::string>{"a", "", "ccc"});
  metadata["numbers"] = GgufArray(std::vector<int32_t>{1, -2, 3});
  metadata["scores"] = GgufArray(std::vector<float>{0, -1});
  metadata["flags"] = GgufArray(std::vector<bool>{true, false});
  metadata["none"] = GgufArray(std::vector<double>{});
  return metadata;
}

const std::vector<GgufTensor> kTensors = {{"token_embd.weight", GgmlType::kF16, {3, 4}},
                                          {"blk.0.attn_q.weight", GgmlType::kQ4_0, {2, 64}},
                                          {"output_norm.weight", GgmlType::kF32, {5}}};

// A whole file whose data counts from 0 on.
std::string File(const GgufMetadata& metadata = {{"a", uint32_t{7}}},
                 const std::vector<GgufTensor>& tensors = kTensors) {
  std::string file = GgufHeader(metadata, tensors);
  char next = 0;
  for (const GgufTensor& tensor : tensors) {
    for (int64_t i = 0; i < tensor.bytes(); ++i) file.push_back(next++);
    file.append(static_cast<size_t>(GgufPadding(tensor.bytes())), '\0');
  }
  return file;
}

StatusOr<GgufFile> Parse(std::string file) {
  return GgufFile::Parse(Bytes::FromString(std::move(file)), "model.gguf");
}

TEST(GgufFileTest, MetadataOfEveryTypeComesBack) {
  const auto file = Parse(File(EveryType()));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->metadata() == EveryType());
}

TEST(GgufFileTest, TensorsComeBackWithTheirNamesShapesAndBytes) {
  const auto file = Parse(File());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->tensors()[1].name, "blk.0.attn_q.weight");
  EXPECT_EQ(file->tensors()[1].type, GgmlType::kQ4_0);
  EXPECT_EQ(file->tensors()[1].shape, (std::vector<int64_t>{2, 64}));
  const auto embedding = file->Read("token_embd.weight");
  ASSERT_TRUE(embedding.ok()) << embedding.status();
  EXPECT_EQ(embedding->dtype, DType::kF16);
  EXPECT_EQ(embedding->shape, (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(embedding->bytes.view()[23], '\x17');
  const auto blocks = file->Read("blk.0.attn_q.weight");
  EXPECT_EQ(blocks->shape, (std::vector<int64_t>{2, 36}));
  EXPECT_EQ(blocks->bytes.view()[0], '\x18') << "data goes on where the tensor before it ended, its padding apart";
  EXPECT_EQ(file->Weights("blk.0.attn_q.weight")->shape, (std::vector<int64_t>{2, 64}));
  EXPECT_EQ(file->Weights("token_embd.weight")->dtype, DType::kF32);
  EXPECT_EQ(file->Read("output.weight").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(file->Weights("output.weight").status().code(), absl::StatusCode::kNotFound);
}

TEST(GgufFileTest, TheHeaderIsThatOfTheFormatByteForByte) {
  using std::string_literals::operator""s;
  const std::string header = GgufHeader({{"k", uint32_t{5}}}, {{"t", GgmlType::kF32, {2, 3}}});
  const std::string expected = "GGUF\3\0\0\0"s + "\1\0\0\0\0\0\0\0"s + "\1\0\0\0\0\0\0\0"s +  // version, tensors, keys
                               "\1\0\0\0\0\0\0\0k"s + "\4\0\0\0"s + "\5\0\0\0"s + "\1\0\0\0\0\0\0\0t"s + "\2\0\0\0"s +
                               "\3\0\0\0\0\0\0\0"s + "\2\0\0\0\0\0\0\0"s + "\0\0\0\0"s + "\0\0\0\0\0\0\0\0"s;
  EXPECT_EQ(header.substr(0, expected.size()), expected);
  EXPECT_EQ(header.size() % 32, 0u);
  EXPECT_EQ(header.find_first_not_of('\0', expected.size()), std::string::npos);
}

// Offsets in File() whose meaning the cases below rely on.
constexpr size_t kVersionAt = 4, kTensorCountAt = 8, kKeyCountAt = 16, kKeyLengthAt = 24, kValueTypeAt = 33;
constexpr size_t kFirstTensorAt = 41;  // its name's length

template <typename T>
std::string With(std::string file, size_t at, T value) {
  LWQ_CHECK(at + sizeof(value) <= file.size(), "beyond the file");
  std::memcpy(file.data() + at, &value, sizeof(value));
  return file;
}

struct BadFile {
  std::string name;
  std::string file;
  std::string said;
  absl::StatusCode code = absl::StatusCode::kDataLoss;
};

std::string WithKey(const std::string& key_and_value) {
  using std::string_literals::operator""s;
  return "GGUF\3\0\0\0"s + "\0\0\0\0\0\0\0\0"s + "\1\0\0\0\0\0\0\0"s + key_and_value;
}

std::vector<BadFile> BadFiles() {
  using std::string_literals::operator""s;
  const std::string good = File();
  const size_t name = std::string("token_embd.weight").size();
  const size_t dimensions = kFirstTensorAt + 8 + name, sizes = dimensions + 4, type = sizes + 16, offset = type + 4;
  const size_t second = offset + 8;
  const size_t second_offset = second + 8 + std::string("blk.0.attn_q.weight").size() + 4 + 16 + 4;
  constexpr auto kOther = absl::StatusCode::kFailedPrecondition;
  return {
      {"empty", "", "does not begin with GGUF"},
      {"another format", "PK\3\4" + good.substr(4), "does not begin with GGUF"},
      {"only the magic", good.substr(0, 4), "ends in its version"},
      {"version 2", With(good, kVersionAt, uint32_t{2}), "GGUF version 2, not 3", kOther},
      {"big-endian", With(good, kVersionAt, uint32_t{0x03000000}), "big-endian", kOther},
      {"no counts", good.substr(0, 12), "ends in the number of tensors"},
      {"2^63 tensors", With(good, kTensorCountAt, uint64_t{1} << 63), "9223372036854775808 tensors, more than fit"},
      {"2^63 keys", With(good, kKeyCountAt, uint64_t{1} << 63), "9223372036854775808 keys, more than fit"},
      {"one tensor too many", With(good, kTensorCountAt, uint64_t{4}), "tensor"},
      {"a key of 2^40 bytes", With(good, kKeyLengthAt, uint64_t{1} << 40), "a key is 1099511627776 bytes long"},
      {"a key that ends the file", With(good, kKeyLengthAt, uint64_t{60000}), "ends in a key"},
      {"a value of no type", With(good, kValueTypeAt, uint32_t{13}), "key 'a' is of type 13, which does not exist"},
      {"an array of no type", WithKey("\1\0\0\0\0\0\0\0a\11\0\0\0\143\0\0\0"s + std::string(16, '\0')),
       "an array of type 99, which does not exist"},
      {"an array of arrays", WithKey("\1\0\0\0\0\0\0\0a\11\0\0\0\11\0\0\0"s + std::string(16, '\0')), "array of arrays",
       kOther},
      {"an array of 2^61 numbers",
       WithKey("\1\0\0\0\0\0\0\0a\11\0\0\0\4\0\0\0\0\0\0\0\0\0\0\40"s + std::string(16, '\0')),
       "has 2305843009213693952 elements, more than fit"},
      {"an array of texts that end", WithKey("\1\0\0\0\0\0\0\0a\11\0\0\0\10\0\0\0\1\0\0\0\0\0\0\0\377\0\0\0\0\0\0\0x"s),
       "ends in key 'a'"},
      {"a truth value of 2", WithKey("\1\0\0\0\0\0\0\0a\7\0\0\0\2"s), "truth value"},
      {"the same key twice",
       File({})
           .replace(kKeyCountAt, 1, "\2")
           .insert(24, "\1\0\0\0\0\0\0\0a\7\0\0\0\1"s + "\1\0\0\0\0\0\0\0a\7\0\0\0\1"s),
       "key 'a' stands twice"},
      {"an alignment of 24", File({{"general.alignment", uint32_t{24}}}), "no power of two"},
      {"an alignment of 0", File({{"general.alignment", uint32_t{0}}}), "no power of two"},
      {"an alignment as text", File({{"general.alignment", std::string("32")}}), "as a 32-bit number"},
      {"a long name", With(good, kFirstTensorAt, uint64_t{65}), "a tensor's name is 65 bytes long"},
      {"no dimension", With(good, dimensions, uint32_t{0}), "has 0 dimensions"},
      {"five dimensions", With(good, dimensions, uint32_t{5}), "has 5 dimensions"},
      {"a dimension of 0", With(good, sizes, uint64_t{0}), "has a dimension of 0"},
      {"a dimension of 2^64 - 1", With(good, sizes, ~uint64_t{0}), "has a dimension of 18446744073709551615"},
      {"a size that overflows", With(good, sizes, uint64_t{1} << 62), "more elements than any file"},
      {"an unknown type", With(good, type, uint32_t{12}), "of ggml's type 12, which is not read", kOther},
      {"rows that are no whole blocks", With(good, type, uint32_t{2}), "rows of 4, no multiple of a block of Q4_0"},
      {"an offset that is not aligned", With(good, offset, uint64_t{8}), "at offset 8, not a multiple of 32"},
      {"an offset behind the end", With(good, offset, uint64_t{1} << 40), "behind the end of the file"},
      {"two tensors in one place", With(good, second_offset, uint64_t{0}), "overlaps another"},
      {"the same tensor twice", File({{"a", uint32_t{7}}}, {kTensors[0], kTensors[0]}), "stands twice"},
      {"data cut off", good.substr(0, good.size() - 32), "ends before the end of tensor 'output_norm.weight'"},
      {"no data", GgufHeader({}, kTensors), "ends before the end of tensor"},
  };
}

TEST(GgufFileTest, DamagedFilesAreRefusedInOneLineThatNamesTheFile) {
  for (const BadFile& bad : BadFiles()) {
    const auto file = Parse(bad.file);
    EXPECT_EQ(file.status().code(), bad.code) << bad.name << ": " << file.status();
    EXPECT_THAT(std::string(MessageOf(file.status())), HasSubstr(bad.said)) << bad.name;
    EXPECT_THAT(std::string(MessageOf(file.status())), HasSubstr("model.gguf")) << bad.name;
    EXPECT_EQ(MessageOf(file.status()).find('\n'), std::string_view::npos) << bad.name;
  }
}

TEST(GgufFileTest, AFileThatIsCutAnywhereIsRefused) {
  const std::string good = File(EveryType());
  ASSERT_TRUE(Parse(good).ok());
  // The padding behind the last tensor is not needed.
  const size_t needed = good.size() - static_cast<size_t>(GgufPadding(kTensors.back().bytes()));
  for (size_t size = 0; size < needed; ++size) {
    EXPECT_EQ(Parse(good.substr(0, size)).status().code(), absl::StatusCode::kDataLoss) << size;
  }
}

RC_GTEST_PROP(GgufFileProperty, AFileWithAnyByteChangedIsReadOrRefusedAndNothingElse, ()) {
  std::string file = File(EveryType());
  const auto changes = *rc::gen::inRange(1, 4);
  for (int i = 0; i < changes; ++i) {
    file[*rc::gen::inRange<size_t>(0, file.size())] = *rc::gen::arbitrary<char>();
  }
  const auto parsed = Parse(file);
  if (!parsed.ok()) {
    RC_ASSERT(absl::IsDataLoss(parsed.status()) || absl::IsFailedPrecondition(parsed.status()));
    return;
  }
  for (const GgufTensor& tensor : parsed->tensors()) RC_ASSERT(parsed->Weights(tensor.name).ok());
}

}  // namespace
}  // namespace lwq::qat
