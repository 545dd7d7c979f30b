#include "common/model/tensor_source.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>

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
  EXPECT_EQ((*source)->entries().size(), 2u);
  EXPECT_EQ((*source)->Read("a")->bytes.view(), "aaaaaaaa");
  EXPECT_EQ((*source)->Read("b")->bytes.view(), "bbbb");
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
  const Status stranger = open(Index({{"b", "s.safetensors"}}));
  EXPECT_TRUE(absl::IsDataLoss(stranger));
  EXPECT_THAT(Message(stranger), ::testing::AllOf(HasSubstr("'b'"), HasSubstr("s.safetensors")));
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
