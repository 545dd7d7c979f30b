// SPDX-License-Identifier: Apache-2.0
#include "common/model/tensor_source.h"

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fault_store.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using test::StoreCall;
using ::testing::HasSubstr;

HostTensor Floats(std::vector<int64_t> shape, char fill) {
  const int64_t bytes = ElementCount(shape).value() * 4;
  return {DType::kF32, std::move(shape), Bytes::FromString(std::string(static_cast<size_t>(bytes), fill))};
}

std::string Message(const Status& status) {
  return std::string(MessageOf(status));
}

// A model given as files in memory, opened both ways: as a folder and as an artifact.
class TensorSourceTest : public ::testing::TestWithParam<bool> {
 protected:
  StatusOr<std::unique_ptr<TensorSource>> Open(const std::map<std::string, std::string>& files) {
    if (!GetParam()) {
      folder_ = std::make_unique<test::TemporaryDirectory>();
      for (const auto& [name, text] : files) test::WriteFile(folder_->path() + "/" + name, text);
      return OpenModelDirectory(folder_->path());
    }
    std::map<std::string, Bytes> contents;
    for (const auto& [name, text] : files) contents.emplace(name, Bytes::FromString(text));
    const ArtifactRef artifact = UploadContents(artifacts_, contents).value();
    tree_ = std::make_unique<FileTree>(FileTree::Open(&artifacts_, artifact).value());
    return OpenModelTree(tree_.get());
  }

  static std::string File(const std::map<std::string, HostTensor>& tensors) {
    return SerializeSafetensors(tensors, {}).value();
  }
  static std::string Index(const Json& weight_map) {
    return Json{{"metadata", {{"total_size", 1}}}, {"weight_map", weight_map}}.dump();
  }

  test::FaultStore store_{std::make_unique<MemoryStore>(), {}};
  ArtifactStore artifacts_{&store_};
  std::unique_ptr<test::TemporaryDirectory> folder_;
  std::unique_ptr<FileTree> tree_;
};

TEST_P(TensorSourceTest, ASingleFileIsRead) {
  const auto source = Open({{"model.safetensors", File({{"a", Floats({2}, 'a')}, {"b", Floats({1, 3}, 'b')}})}});
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->entries().size(), 2u);
  EXPECT_EQ((*source)->entries().at("b").shape, (std::vector<int64_t>{1, 3}));
  const HostTensor tensor = (*source)->Read("b").value();
  EXPECT_EQ(tensor.bytes.view(), "bbbbbbbbbbbb");
  EXPECT_EQ(tensor.shape, (std::vector<int64_t>{1, 3}));
  const Status absent = (*source)->Read("c").status();
  EXPECT_TRUE(absl::IsNotFound(absent));
  EXPECT_THAT(Message(absent), HasSubstr("'c'"));
}

TEST_P(TensorSourceTest, ShardsAreReadThroughTheirIndex) {
  const auto source =
      Open({{"model-00001-of-00002.safetensors", File({{"a", Floats({2}, 'a')}, {"unused", Floats({1}, 'u')}})},
            {"model-00002-of-00002.safetensors", File({{"b", Floats({1}, 'b')}})},
            {"model.safetensors.index.json",
             Index({{"a", "model-00001-of-00002.safetensors"}, {"b", "model-00002-of-00002.safetensors"}})}});
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->entries().size(), 3u) << "what the index does not list is there, too";
  EXPECT_EQ((*source)->Read("a")->bytes.view(), "aaaaaaaa");
  EXPECT_EQ((*source)->Read("b")->bytes.view(), "bbbb");
}

TEST_P(TensorSourceTest, IndexAndHeadersMayDisagree) {
  const std::string first =
      File({{"a", Floats({2}, 'a')}, {"unlisted", Floats({1}, 'u')}, {"twice", Floats({1}, '1')}});
  const std::string second = File({{"b", Floats({1}, 'b')}, {"twice", Floats({1}, '2')}});
  const auto open = [&](const Json& weight_map) {
    return Open(
        {{"1.safetensors", first}, {"2.safetensors", second}, {"model.safetensors.index.json", Index(weight_map)}});
  };
  const auto source = open({{"a", "2.safetensors"},  // it is in the other
                            {"b", "2.safetensors"},
                            {"twice", "1.safetensors"},
                            {"nowhere", "1.safetensors"}});
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->Read("a")->bytes.view(), "aaaaaaaa");
  EXPECT_EQ((*source)->Read("unlisted")->bytes.view(), "uuuu");
  EXPECT_EQ((*source)->Read("twice")->bytes.view(), "1111");
  const Status absent = (*source)->Read("nowhere").status();
  EXPECT_TRUE(absl::IsNotFound(absent)) << absent;
  EXPECT_THAT(Message(absent), HasSubstr("places it in 1.safetensors, whose header does not have it"));
  const Status undecided = open({{"a", "1.safetensors"}, {"b", "2.safetensors"}}).status();
  EXPECT_TRUE(absl::IsDataLoss(undecided));
  EXPECT_THAT(Message(undecided), HasSubstr("'twice' is in 1.safetensors and in 2.safetensors"));
}

TEST_P(TensorSourceTest, Float64IsReadAsFloat32RoundedToNearest) {
  const std::vector<double> wide = {1.0, 1.0 + 0x1p-24, 1.0 + 0x1.8p-23, -0.1, 1e300};
  const std::string bytes(reinterpret_cast<const char*>(wide.data()), wide.size() * 8);
  const auto source = Open({{"model.safetensors", File({{"w", {DType::kF64, {5}, Bytes::FromString(bytes)}}})}});
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->entries().at("w").dtype, DType::kF32);
  const HostTensor tensor = (*source)->Read("w").value();
  EXPECT_EQ(tensor.dtype, DType::kF32);
  const float narrow[] = {1.0f, 1.0f, 1.0f + 0x1p-22f, -0.1f, std::numeric_limits<float>::infinity()};
  EXPECT_EQ(tensor.bytes.view(), std::string_view(reinterpret_cast<const char*>(narrow), sizeof(narrow)));
}

TEST_P(TensorSourceTest, NamesWithoutTheModelsPrefixAreCompleted) {
  const auto source = Open({{"model.safetensors", File({{"embed_tokens.weight", Floats({1}, 'e')},
                                                        {"layers.0.mlp.up_proj.weight", Floats({1}, 'u')},
                                                        {"norm.weight", Floats({1}, 'n')},
                                                        {"lm_head.weight", Floats({1}, 'h')}})}});
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->Read("model.embed_tokens.weight")->bytes.view(), "eeee");
  EXPECT_EQ((*source)->Read("model.layers.0.mlp.up_proj.weight")->bytes.view(), "uuuu");
  EXPECT_EQ((*source)->Read("model.norm.weight")->bytes.view(), "nnnn");
  EXPECT_EQ((*source)->Read("lm_head.weight")->bytes.view(), "hhhh");
  EXPECT_EQ((*source)->entries().size(), 4u);
  const auto complete =
      Open({{"model.safetensors", File({{"model.norm.weight", Floats({1}, 'n')}, {"norm.weight", Floats({1}, 'x')}})}});
  EXPECT_EQ((*complete)->Read("norm.weight")->bytes.view(), "xxxx") << "nothing is renamed beside complete names";
}

TEST_P(TensorSourceTest, OfATiedPairEitherTensorStandsForBothAndTwoThatDifferAreKept) {
  LlamaConfig tied;
  tied.tie_word_embeddings = true;
  const auto open = [&](std::map<std::string, HostTensor> tensors) {
    return Open({{"model.safetensors", File(std::move(tensors))}}).value();
  };
  const HostTensor e = Floats({2}, 'e'), h = Floats({2}, 'h');
  const auto embedding_alone = open({{"model.embed_tokens.weight", e}});
  EXPECT_EQ(HeadTensorOf(tied, *embedding_alone), "model.embed_tokens.weight");
  EXPECT_FALSE(HasHeadOfItsOwn(tied, *embedding_alone).value());
  const auto head_alone = open({{"lm_head.weight", h}});
  EXPECT_EQ(EmbeddingTensorOf(tied, *head_alone), "lm_head.weight");
  EXPECT_FALSE(HasHeadOfItsOwn(tied, *head_alone).value());
  const auto equal = open({{"model.embed_tokens.weight", e}, {"lm_head.weight", e}});
  EXPECT_FALSE(HasHeadOfItsOwn(tied, *equal).value());
  const auto different = open({{"model.embed_tokens.weight", e}, {"lm_head.weight", h}});
  EXPECT_EQ(EmbeddingTensorOf(tied, *different), "model.embed_tokens.weight");
  EXPECT_EQ(HeadTensorOf(tied, *different), "lm_head.weight");
  EXPECT_TRUE(HasHeadOfItsOwn(tied, *different).value());
  LlamaConfig untied;
  EXPECT_EQ(EmbeddingTensorOf(untied, *head_alone), "model.embed_tokens.weight") << "is then missed by name";
  EXPECT_FALSE(HasHeadOfItsOwn(untied, *different).value());
}

TEST_P(TensorSourceTest, HostileIndexesAreRefused) {
  const std::string shard = File({{"a", Floats({1}, 'a')}});
  const auto open = [&](const std::string& index) {
    return Open({{"s.safetensors", shard}, {"model.safetensors.index.json", index}}).status();
  };
  ASSERT_TRUE(open(Index({{"a", "s.safetensors"}})).ok());
  for (const std::string_view name : {"../s.safetensors", "/etc/passwd", "sub/../../s.safetensors", "..", "", "s.bin",
                                      ".safetensors", ".hidden.safetensors", "./s.safetensors", "s.safetensors/"}) {
    const Status status = open(Index({{"a", name}}));
    EXPECT_TRUE(absl::IsDataLoss(status)) << name << " " << status;
  }
  EXPECT_TRUE(absl::IsDataLoss(open(Index({{"a", std::string("s\0.safetensors", 14)}}))));
  EXPECT_TRUE(absl::IsDataLoss(open(Index({{"a", std::string(300, 'x') + ".safetensors"}}))));
  const Status missing = open(Index({{"a", "s.safetensors"}, {"b", "t.safetensors"}}));
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  EXPECT_THAT(Message(missing), HasSubstr("t.safetensors"));
  for (const std::string_view index :
       {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})", R"({"weight_map":{"a":1}})",
        R"({"weight_map":{"a":"s.safetensors","a":"s.safetensors"}})"}) {
    EXPECT_TRUE(absl::IsDataLoss(open(std::string(index)))) << index;
  }
}

TEST_P(TensorSourceTest, DamagedFilesAreDataLossWithTheirName) {
  const std::string good = File({{"a", Floats({100}, 'a')}});
  for (const size_t size : {size_t{0}, size_t{5}, size_t{20}, good.size() - 1}) {
    const Status status = Open({{"model.safetensors", good.substr(0, size)}}).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << size << " " << status;
    EXPECT_THAT(Message(status), HasSubstr("model.safetensors"));
  }
}

TEST_P(TensorSourceTest, WhatStandsInPlaceOfTheWeightsIsNamedWithWhatToDo) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456\n", "pointer of Git LFS"},
      {"<!DOCTYPE html>\n<html><head>", "text that a server sent instead"},
      {"\n <HTML><body>502", "text that a server sent instead"},
      {"Entry not found", "(\"Entry not found\")"},
      {"Invalid username or password.", "text that a server sent instead"},
      {R"({"error":"Repository not found"})", "text that a server sent instead"},
      {std::string("PK\x03\x04\x14\0\x08\x08", 8) + std::string(100, 'x'), "zip archive"},
      {"\x80\x02}q\x01(X\x05" + std::string(100, 'x'), "Python pickle"},
      {std::string("GGUF\x03\0\0\0", 8) + std::string(100, '\0'), "GGUF"},
  };
  for (const auto& [content, says] : files) {
    for (const bool is_sharded : {false, true}) {
      std::map<std::string, std::string> model = {{is_sharded ? "s.safetensors" : "model.safetensors", content}};
      if (is_sharded) model["model.safetensors.index.json"] = Index({{"a", "s.safetensors"}});
      const Status status = Open(model).status();
      EXPECT_TRUE(absl::IsDataLoss(status)) << status;
      EXPECT_THAT(Message(status), ::testing::AllOf(HasSubstr(says), HasSubstr(".safetensors "))) << content;
      EXPECT_EQ(Message(status).find('\n'), std::string::npos);
    }
  }
}

TEST_P(TensorSourceTest, ADtypeNobodyComputesWithIsRefusedWhenItIsAskedFor) {
  const std::string header =
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"BOOL","shape":[3],"data_offsets":[4,7]}})";
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  const auto source = Open({{"model.safetensors", file + header + "aaaabbb"}});
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->Read("a")->bytes.view(), "aaaa");
  EXPECT_EQ((*source)->entries().at("b").dtype_name(), "BOOL");
  const Status status = (*source)->Read("b").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(Message(status), HasSubstr("'b': dtype 'BOOL' is not supported"));
}

TEST_P(TensorSourceTest, OtherFormatsAreRefusedWithWhatToDo) {
  for (const std::string name : {"pytorch_model.bin", "consolidated.00.pth", "model.gguf"}) {
    const Status status = Open({{"config.json", "{}"}, {name, "x"}}).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(Message(status), ::testing::AllOf(HasSubstr(name), HasSubstr("convert")));
  }
  EXPECT_TRUE(absl::IsNotFound(Open({{"config.json", "{}"}}).status()));
}

INSTANTIATE_TEST_SUITE_P(Ways, TensorSourceTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& way) { return way.param ? "artifact" : "folder"; });

TEST(ModelDirectoryTest, AFolderThatIsNotThereIsNotFoundByName) {
  const Status status = OpenModelDirectory("/no/such/model").status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(Message(status), HasSubstr("/no/such/model"));
}

TEST(ModelDirectoryTest, AFileCutWhileInUseIsDataLoss) {
  const test::TemporaryDirectory folder;
  const std::string path = folder.path() + "/model.safetensors";
  const std::string text = SerializeSafetensors({{"a", Floats({100}, 'a')}}, {}).value();
  test::WriteFile(path, text);
  const auto source = OpenModelDirectory(folder.path());
  ASSERT_TRUE(source.ok());
  test::WriteFile(path, text.substr(0, text.size() / 2));
  EXPECT_TRUE(absl::IsDataLoss((*source)->Read("a").status()));
}

TEST(ModelTreeTest, OnlyHeadersAndTheTensorsAskedForAreFetched) {
  test::FaultStore store(std::make_unique<MemoryStore>(), {});
  ArtifactStore artifacts(&store);
  // Four pieces: the header and "a" in the first, "z" in the last.
  std::string counted;  // no two pieces may be equal
  for (uint32_t i = 0; counted.size() < static_cast<size_t>(3 * kPieceBytes); ++i) {
    counted.append(reinterpret_cast<const char*>(&i), sizeof(i));
  }
  const std::map<std::string, HostTensor> tensors = {
      {"a", Floats({1000}, 'a')},
      {"m", {DType::kF32, {3 * kPieceBytes / 4}, Bytes::FromString(counted)}},
      {"z", Floats({1000}, 'z')}};
  const ArtifactRef artifact =
      UploadContents(artifacts, {{"model.safetensors", Bytes::FromString(SerializeSafetensors(tensors, {}).value())}})
          .value();
  const FileTree tree = FileTree::Open(&artifacts, artifact).value();
  std::set<std::string> fetched;
  store.SetHook([&](StoreCall call, std::string_view key) {
    if (call == StoreCall::kGet) fetched.insert(std::string(key));
    return absl::OkStatus();
  });
  const auto source = OpenModelTree(&tree);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(fetched.size(), 1u);
  EXPECT_EQ((*source)->Read("z")->bytes.view(), std::string(4000, 'z'));
  EXPECT_EQ(fetched.size(), 2u);
  EXPECT_EQ((*source)->Read("m")->bytes.size(), static_cast<size_t>(3 * kPieceBytes));
  EXPECT_EQ(fetched.size(), 4u);
}

}  // namespace
}  // namespace lwq
