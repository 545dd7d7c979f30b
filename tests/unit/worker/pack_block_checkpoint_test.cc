// SPDX-License-Identifier: Apache-2.0
// Block checkpoints: a state comes back bit for bit, equal states are equal bytes, and nothing damaged is accepted.
#include "common/export/block_checkpoint.h"

#include <limits>

#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/pack_testing.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

BlockState BlockOf(int bits, uint64_t seed = 7, bool exact_scales = true) {
  WorldRandom random(seed);
  return RandomBlock(SmallConfig(), {bits, 32}, random, {{LinearKind::kDown, {bits, -1}}}, exact_scales);
}

// With biases in queries, keys and values, and norms of queries and keys.
BlockState BlockWithExtras() {
  LlamaConfig config = SmallConfig();
  for (const LinearKind kind : {LinearKind::kQ, LinearKind::kK, LinearKind::kV}) {
    config.has_bias[static_cast<size_t>(kind)] = true;
  }
  config.query_key_norms = true;
  WorldRandom random(8);
  return RandomBlock(config, {4, 32}, random);
}

// A checkpoint whose tensors and metadata the test may change before it is parsed.
struct OpenedCheckpoint {
  std::map<std::string, HostTensor> tensors;
  std::map<std::string, std::string> metadata;

  explicit OpenedCheckpoint(const BlockState& block) {
    const auto file = SafetensorsFile::Parse(Bytes::FromString(*SerializeBlock(block)), "block");
    for (const auto& [name, entry] : file->header().tensors) tensors[name] = *file->Get(name);
    metadata = file->header().metadata;
  }
  Status Parse() const {
    return ParseBlock(Bytes::FromString(*SerializeSafetensors(tensors, metadata)), "block 0").status();
  }
};

void ExpectDataLoss(const Status& status, const std::string& named) {
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(named));
}

TEST(BlockCheckpointTest, ABlockOfAnyWidthComesBackBitForBit) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const bool exact_scales : {true, false}) {
      const BlockState block = BlockOf(bits, 11, exact_scales);
      const auto file = SerializeBlock(block);
      ASSERT_TRUE(file.ok()) << file.status();
      const auto read = ParseBlock(Bytes::FromString(*file), "block");
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_TRUE(SameBlock(*read, block)) << bits << " bits, fp16 scales " << exact_scales;
    }
  }
}

TEST(BlockCheckpointTest, FullPrecisionAndMixedLinearsComeBackInTheirOwnDtype) {
  BlockState block = BlockOf(4);
  block.linears[LinearKind::kV] = MakeTensor(DType::kBF16, {32, 64}, std::vector<uint16_t>(32 * 64, 0x3f80));
  block.input_norm = MakeTensor(DType::kF16, {64}, std::vector<uint16_t>(64, 0x3c00));
  const auto read = ParseBlock(Bytes::FromString(*SerializeBlock(block)), "block");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(SameBlock(*read, block));
}

TEST(BlockCheckpointTest, BiasesAndNormsOfQueriesAndKeysComeBackBitForBit) {
  BlockState block = BlockWithExtras();
  block.biases[LinearKind::kV] = MakeTensor(DType::kBF16, {32}, std::vector<uint16_t>(32, 0x3f80));
  const auto read = ParseBlock(Bytes::FromString(*SerializeBlock(block)), "block");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(SameBlock(*read, block));
  EXPECT_EQ(BlockFormatToJson(FormatOf(block))["version"], 2);
  EXPECT_EQ(BlockFormatToJson(FormatOf(BlockOf(4)))["version"], 1) << "what older programs read stays as it was";
  MemoryStore store;
  ArtifactStore artifacts(&store);
  const auto format = LoadBlockFormat(artifacts, *PublishBlock(artifacts, block));
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_EQ(*format, FormatOf(block));
}

TEST(BlockCheckpointTest, ExtrasThatAreNotWellFormedAreNeitherWrittenNorRead) {
  const auto expect_refused = [](auto change, const std::string& named) {
    BlockState block = BlockWithExtras();
    change(block);
    const auto file = SerializeBlock(block);
    EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(MessageOf(file.status())), HasSubstr(named));
  };
  expect_refused([](BlockState& block) { block.biases.at(LinearKind::kQ).shape = {32}; }, "q_proj.bias is [32]");
  expect_refused([](BlockState& block) { block.key_norm.reset(); }, "only one of self_attn.q_norm.weight");
  expect_refused([](BlockState& block) { block.query_norm->shape = {3, 5}; }, "q_norm.weight is [3, 5]");

  const OpenedCheckpoint good(BlockWithExtras());
  ASSERT_TRUE(good.Parse().ok());
  OpenedCheckpoint missing = good;
  missing.tensors.erase("self_attn.k_proj.bias");
  ExpectDataLoss(missing.Parse(), "no tensor self_attn.k_proj.bias");
  OpenedCheckpoint more = good;
  more.tensors["mlp.up_proj.bias"] = MakeTensor(DType::kF32, {96}, std::vector<float>(96, 0));
  ExpectDataLoss(more.Parse(), "tensors, expected");
  for (const auto& [key, value] : std::map<std::string, Json>{{"biases", Json{{"lm_head", "F32"}}},
                                                              {"biases", Json::array()},
                                                              {"head_dim", -1},
                                                              {"version", 1},
                                                              {"more", 1}}) {
    OpenedCheckpoint damaged = good;
    Json format = *ParseJson(good.metadata.at("lwq_block"), "format");
    format[key] = value;
    damaged.metadata["lwq_block"] = format.dump();
    ExpectDataLoss(damaged.Parse(), "is not a block checkpoint");
  }
}

TEST(BlockCheckpointTest, EqualStatesAreOneArtifactAndDifferentStatesAreNot) {
  MemoryStore store;
  ArtifactStore artifacts(&store);
  const auto first = PublishBlock(artifacts, BlockOf(2, 5));
  const auto again = PublishBlock(artifacts, BlockOf(2, 5));
  const auto other = PublishBlock(artifacts, BlockOf(2, 6));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->digest, again->digest);
  EXPECT_NE(first->digest, other->digest);
  const auto read = LoadBlockCheckpoint(artifacts, *first);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(SameBlock(*read, BlockOf(2, 5)));
}

TEST(BlockCheckpointTest, TheManifestAloneTellsTheFormat) {
  MemoryStore store;
  ArtifactStore artifacts(&store);
  const BlockState block = BlockOf(3);
  const auto format = LoadBlockFormat(artifacts, *PublishBlock(artifacts, block));
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_EQ(*format, FormatOf(block));
  EXPECT_EQ(format->linears.at(LinearKind::kQ).bits, 3);
  EXPECT_EQ(format->linears.at(LinearKind::kQ).group_size, 32);
  EXPECT_EQ(format->linears.at(LinearKind::kDown).group_size, 96) << "a whole row is its length";
  EXPECT_EQ(format->input_norm, DType::kF32);
}

TEST(BlockCheckpointTest, Fp16ScalesTakeTwoBytesAndOthersFour) {
  const OpenedCheckpoint exact(BlockOf(2, 9, true));
  const OpenedCheckpoint inexact(BlockOf(2, 9, false));
  EXPECT_EQ(exact.tensors.at("self_attn.q_proj.scales").dtype, DType::kF16);
  EXPECT_EQ(inexact.tensors.at("self_attn.q_proj.scales").dtype, DType::kF32);
  EXPECT_EQ(exact.tensors.at("self_attn.q_proj.codes").shape, (std::vector<int64_t>{64, 4})) << "2 bits a code";
}

TEST(BlockCheckpointTest, ABlockThatIsNotWellFormedIsNotWritten) {
  const auto expect_refused = [](const BlockState& block, const std::string& named) {
    const auto file = SerializeBlock(block);
    EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(MessageOf(file.status())), HasSubstr(named));
  };
  const auto changed = [](const auto& change) {
    BlockState block = BlockOf(2);
    change(block, std::get<QuantizedLinear>(block.linears.at(LinearKind::kUp)));
    return block;
  };
  expect_refused(changed([](auto& block, auto&) { block.linears.erase(LinearKind::kUp); }), "has no mlp.up_proj");
  expect_refused(changed([](auto&, auto& up) { up.codes = WithElement<uint8_t>(up.codes, 3, 4); }),
                 "does not fit 2 bits");
  expect_refused(changed([](auto&, auto& up) { up.zeros = WithElement<uint8_t>(up.zeros, 1, 4); }),
                 "mlp.up_proj: zero point 4");
  expect_refused(changed([](auto&, auto& up) { up.bits = 7; }), "7 bits");
  expect_refused(changed([](auto&, auto& up) { up.group_size = 48; }), "groups of 48");
  expect_refused(changed([](auto&, auto& up) { up.scales.shape = {1, 192}; }), "mlp.up_proj.scales is [1, 192]");
  expect_refused(changed([](auto& block, auto&) { block.input_norm.shape = {32}; }), "input_layernorm.weight");
}

TEST(BlockCheckpointTest, AScaleThatIsNotFiniteIsNotWritten) {
  BlockState block = BlockOf(2);
  auto& up = std::get<QuantizedLinear>(block.linears.at(LinearKind::kUp));
  up.scales = WithElement(up.scales, 0, std::numeric_limits<float>::quiet_NaN());
  ExpectDataLoss(SerializeBlock(block).status(), "mlp.up_proj.scales");
}

TEST(BlockCheckpointTest, DamagedCheckpointsAreDataLossNamingTheTensor) {
  const OpenedCheckpoint good(BlockOf(3));
  ASSERT_TRUE(good.Parse().ok());

  OpenedCheckpoint missing = good;
  missing.tensors.erase("mlp.gate_proj.zeros");
  ExpectDataLoss(missing.Parse(), "no tensor mlp.gate_proj.zeros");

  OpenedCheckpoint wrong_shape = good;
  wrong_shape.tensors["mlp.gate_proj.codes"] = MakeTensor(DType::kI32, {96, 5}, std::vector<int32_t>(480, 0));
  ExpectDataLoss(wrong_shape.Parse(), "tensor mlp.gate_proj.codes is I32 [96, 5], expected I32 [96, 6]");

  OpenedCheckpoint wrong_dtype = good;
  wrong_dtype.tensors["input_layernorm.weight"] = MakeTensor(DType::kI32, {64}, std::vector<int32_t>(64, 0));
  ExpectDataLoss(wrong_dtype.Parse(), "input_layernorm.weight");

  OpenedCheckpoint extra = good;
  extra.tensors["extra"] = good.tensors.at("input_layernorm.weight");
  ExpectDataLoss(extra.Parse(), "holds 24 tensors, expected 23");

  OpenedCheckpoint zero_too_large = good;
  zero_too_large.tensors["mlp.up_proj.zeros"] = WithElement<uint8_t>(good.tensors.at("mlp.up_proj.zeros"), 0, 8);
  ExpectDataLoss(zero_too_large.Parse(), "mlp.up_proj: zero point 8");

  OpenedCheckpoint infinite = good;
  infinite.tensors["mlp.up_proj.scales"] = WithElement<uint16_t>(good.tensors.at("mlp.up_proj.scales"), 0, 0x7c00);
  ExpectDataLoss(infinite.Parse(), "mlp.up_proj.scales");
}

TEST(BlockCheckpointTest, DamagedFormatsAreDataLossNamingTheField) {
  const OpenedCheckpoint good(BlockOf(3));
  const Json format = *ParseJson(good.metadata.at("lwq_block"), "format");
  const auto parse = [&good](const Json& changed) {
    OpenedCheckpoint checkpoint = good;
    checkpoint.metadata["lwq_block"] = CanonicalJson(changed);
    return checkpoint.Parse();
  };
  const auto with = [&format](const std::string& pointer, const Json& value) {
    Json changed = format;
    changed[Json::json_pointer(pointer)] = value;
    return changed;
  };
  ExpectDataLoss(parse(with("/version", 3)), "version is 3");
  ExpectDataLoss(parse(with("/linears/mlp.up_proj/bits", 7)), "mlp.up_proj is not a block checkpoint: 7 bits");
  ExpectDataLoss(parse(with("/linears/mlp.up_proj/bits", "3")), "bits");
  ExpectDataLoss(parse(with("/linears/mlp.up_proj/group_size", 0)), "group_size is 0");
  ExpectDataLoss(parse(with("/linears/mlp.up_proj/group_size", 48)), "groups of 48");
  ExpectDataLoss(parse(with("/linears/mlp.up_proj/in_features", int64_t{1} << 62)), "in_features");
  ExpectDataLoss(parse(with("/linears/mlp.up_proj/dtype", "F64")), "unknown fields");
  ExpectDataLoss(parse(with("/linears/mlp.up_proj/colour", "red")), "unknown fields");
  ExpectDataLoss(parse(with("/linears/mlp.side_proj", Json::object())), "seven linears");
  ExpectDataLoss(parse(with("/norms/input_layernorm.weight", "I32")), "dtype");
  ExpectDataLoss(parse(with("/extra", 1)), "the expected fields");
  ExpectDataLoss(parse(Json::array()), "expected the fields");
  OpenedCheckpoint no_metadata = good;
  no_metadata.metadata.clear();
  ExpectDataLoss(no_metadata.Parse(), "no metadata lwq_block");
  OpenedCheckpoint not_json = good;
  not_json.metadata["lwq_block"] = "{";
  EXPECT_EQ(not_json.Parse().code(), absl::StatusCode::kDataLoss);
}

TEST(BlockCheckpointTest, EveryTruncationOfTheFileIsRefused) {
  const std::string file = *SerializeBlock(BlockOf(2));
  for (size_t size = 0; size < file.size(); size += 1 + file.size() / 97) {
    EXPECT_FALSE(ParseBlock(Bytes::FromString(file.substr(0, size)), "block").ok()) << size;
  }
}

TEST(BlockCheckpointTest, AnArtifactOfAnotherKindIsRefused) {
  MemoryStore store;
  ArtifactStore artifacts(&store);
  Manifest manifest;
  manifest.kind = "tokens";
  manifest.meta = BlockFormatToJson(FormatOf(BlockOf(2)));
  manifest.parts.push_back(Part{"block.safetensors", *artifacts.PutBlob(*SerializeBlock(BlockOf(2)))});
  ExpectDataLoss(LoadBlockCheckpoint(artifacts, *artifacts.Publish(manifest)).status(), "kind \"tokens\"");
  manifest.kind = "block";
  manifest.meta = BlockFormatToJson(FormatOf(BlockOf(3)));
  ExpectDataLoss(LoadBlockCheckpoint(artifacts, *artifacts.Publish(manifest)).status(), "promises another format");
}

}  // namespace
}  // namespace lwq::qat
