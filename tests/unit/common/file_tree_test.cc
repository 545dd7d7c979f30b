// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/file_tree.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fault_store.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

namespace fs = std::filesystem;
using test::FaultStore;
using test::StoreCall;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Bytes without a period, so that no two pieces are equal.
std::string Pattern(size_t size) {
  std::string text(size, '\0');
  uint64_t state = 1;
  for (char& c : text) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return text;
}

class FileTreeTest : public ::testing::Test {
 protected:
  StatusOr<FileTree> OpenMeta(const Json& meta, std::vector<Part> parts) {
    const ArtifactRef artifact = artifacts_.Publish({"files", meta, std::move(parts)}).value();
    return FileTree::Open(&artifacts_, artifact);
  }

  FaultStore store_{std::make_unique<MemoryStore>(), {}};
  ArtifactStore artifacts_{&store_};
  test::TemporaryDirectory folder_;
};

TEST_F(FileTreeTest, UploadedFilesReadBackInEveryRange) {
  const std::string big = Pattern(static_cast<size_t>(2 * kPieceBytes + 1000));
  test::WriteFile(folder_.path() + "/big", big);
  test::WriteFile(folder_.path() + "/exact", Pattern(static_cast<size_t>(kPieceBytes)));
  test::WriteFile(folder_.path() + "/empty", "");
  std::vector<int64_t> done;
  const ArtifactRef artifact = UploadFiles(artifacts_,
                                           {{"sub/big.bin", folder_.path() + "/big"},
                                            {"exact", folder_.path() + "/exact"},
                                            {"empty", folder_.path() + "/empty"}},
                                           [&](int64_t bytes, int64_t total) {
                                             EXPECT_EQ(total, 3 * kPieceBytes + 1000);
                                             done.push_back(bytes);
                                           })
                                   .value();
  EXPECT_EQ(done, (std::vector<int64_t>{kPieceBytes, 2 * kPieceBytes, 3 * kPieceBytes, 3 * kPieceBytes + 1000}));
  EXPECT_EQ(artifact.size_bytes, 3 * kPieceBytes + 1000);
  const FileTree tree = FileTree::Open(&artifacts_, artifact).value();
  EXPECT_THAT(tree.paths(), ElementsAre("empty", "exact", "sub/big.bin"));
  EXPECT_TRUE(tree.Contains("exact"));
  EXPECT_FALSE(tree.Contains("sub"));
  EXPECT_EQ(tree.SizeBytes("sub/big.bin").value(), static_cast<int64_t>(big.size()));
  EXPECT_EQ(tree.ReadAll("empty")->size(), 0u);
  EXPECT_EQ(tree.ReadAll("sub/big.bin")->view(), big);
  for (const auto& [offset, length] : std::vector<std::pair<int64_t, int64_t>>{{0, 1},
                                                                               {kPieceBytes - 1, 2},
                                                                               {kPieceBytes, 10},
                                                                               {kPieceBytes - 5, kPieceBytes + 10},
                                                                               {2 * kPieceBytes + 999, 1},
                                                                               {100, 0}}) {
    EXPECT_EQ(tree.Read("sub/big.bin", offset, length)->view(),
              std::string_view(big).substr(static_cast<size_t>(offset), static_cast<size_t>(length)))
        << offset << " +" << length;
  }
}

TEST_F(FileTreeTest, ARenamedFileTakesThePlaceOfWhatHadItsNewName) {
  const ArtifactRef artifact =
      *UploadContents(artifacts_, {{"a", Bytes::FromString("first")}, {"b", Bytes::FromString("second")}});
  const FileTree tree = *FileTree::Open(&artifacts_, artifact);
  const FileTree renamed = tree.Renamed("a", "b");
  EXPECT_THAT(renamed.paths(), ElementsAre("b"));
  EXPECT_EQ(renamed.ReadAll("b")->view(), "first");
  EXPECT_THAT(tree.Renamed("absent", "c").paths(), ElementsAre("a", "b"));
  EXPECT_THAT(tree.paths(), ElementsAre("a", "b")) << "the tree itself is as it was";
}

TEST_F(FileTreeTest, OnlyThePiecesOfARangeAreFetched) {
  const ArtifactRef artifact =
      UploadContents(artifacts_, {{"f", Bytes::FromString(Pattern(static_cast<size_t>(3 * kPieceBytes)))}}).value();
  const FileTree tree = FileTree::Open(&artifacts_, artifact).value();
  const int64_t before = store_.calls(StoreCall::kGet);
  ASSERT_TRUE(tree.Read("f", kPieceBytes + 3, 100).ok());
  EXPECT_EQ(store_.calls(StoreCall::kGet), before + 1);
  ASSERT_TRUE(tree.Read("f", kPieceBytes - 1, 2).ok());
  EXPECT_EQ(store_.calls(StoreCall::kGet), before + 3);
}

TEST_F(FileTreeTest, ARangeOutsideTheFileOrAnUnknownPathIsRefused) {
  const ArtifactRef artifact = UploadContents(artifacts_, {{"f", Bytes::FromString("12345")}}).value();
  const FileTree tree = FileTree::Open(&artifacts_, artifact).value();
  EXPECT_EQ(tree.Read("f", 5, 0)->size(), 0u);
  for (const auto& [offset, length] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 6}, {5, 1}, {6, 0}, {-1, 1}, {0, -1}, {INT64_MAX, INT64_MAX}, {1, INT64_MAX}}) {
    EXPECT_TRUE(absl::IsOutOfRange(tree.Read("f", offset, length).status())) << offset << " +" << length;
  }
  EXPECT_TRUE(absl::IsNotFound(tree.ReadAll("g").status()));
  EXPECT_TRUE(absl::IsNotFound(tree.SizeBytes("g").status()));
}

TEST_F(FileTreeTest, EqualContentsGiveEqualTreesHoweverTheyCame) {
  const std::string text = Pattern(static_cast<size_t>(kPieceBytes) + 7);
  test::WriteFile(folder_.path() + "/f", text);
  EXPECT_EQ(UploadFiles(artifacts_, {{"f", folder_.path() + "/f"}}, nullptr).value(),
            UploadContents(artifacts_, {{"f", Bytes::FromString(text)}}).value());
}

TEST_F(FileTreeTest, AnInterruptedUploadResumesWhereItStopped) {
  test::WriteFile(folder_.path() + "/f", Pattern(static_cast<size_t>(4 * kPieceBytes)));
  std::atomic<int> puts{0};
  store_.SetHook([&](StoreCall call, std::string_view) {
    return call == StoreCall::kPut && ++puts > 2 ? absl::UnavailableError("the line is cut") : absl::OkStatus();
  });
  const Status cut = UploadFiles(artifacts_, {{"f", folder_.path() + "/f"}}, nullptr).status();
  EXPECT_TRUE(absl::IsUnavailable(cut)) << cut;
  EXPECT_THAT(std::string(MessageOf(cut)), HasSubstr("upload f#"));
  store_.SetHook(nullptr);
  const int64_t before = store_.calls(StoreCall::kPut);
  ASSERT_TRUE(UploadFiles(artifacts_, {{"f", folder_.path() + "/f"}}, nullptr).ok());
  EXPECT_EQ(store_.calls(StoreCall::kPut) - before, 2 + 1) << "two pieces that were missing, and the manifest";
}

TEST_F(FileTreeTest, FilesThatCannotBeReadAreNamed) {
  const Status absent = UploadFiles(artifacts_, {{"f", folder_.path() + "/absent"}}, nullptr).status();
  EXPECT_TRUE(absl::IsNotFound(absent)) << absent;
  EXPECT_THAT(std::string(MessageOf(absent)), HasSubstr(folder_.path() + "/absent"));
  EXPECT_TRUE(absl::IsInvalidArgument(UploadFiles(artifacts_, {{"f", folder_.path()}}, nullptr).status()));
}

TEST_F(FileTreeTest, PathsThatLeaveTheTreeAreRefusedInBothDirections) {
  const BlobRef blob = artifacts_.PutBlob("x").value();
  for (const std::string_view path :
       {"", "/abs", "../x", "a/../../x", "a//b", "./a", "a/", "a\nb", "a\\b", "\xff\xfe"}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(UploadContents(artifacts_, {{std::string(path), Bytes::FromString("x")}}).status()))
        << path;
    if (path == "\xff\xfe") continue;  // no manifest can hold it
    const Json meta = {{"files", {{{"path", path}, {"size_bytes", 1}, {"pieces", 1}}}}, {"piece_bytes", 1024}};
    const Status status = OpenMeta(meta, {{absl::StrCat(path, "#0"), blob}}).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << path << " " << status;
  }
}

TEST_F(FileTreeTest, HostileManifestsAreDataLoss) {
  const BlobRef one = artifacts_.PutBlob("x").value();
  const BlobRef huge{DigestOf("never stored"), int64_t{1} << 29};
  const auto file = [](std::string_view path, Json size, Json pieces) {
    return Json{{"path", path}, {"size_bytes", std::move(size)}, {"pieces", std::move(pieces)}};
  };
  const auto meta = [](Json files, Json piece_bytes) {
    return Json{{"files", std::move(files)}, {"piece_bytes", std::move(piece_bytes)}};
  };
  const std::vector<std::pair<Json, std::vector<Part>>> cases = {
      {Json::object(), {}},
      {meta(3, 1024), {}},
      {meta(Json::array(), 0), {}},
      {meta(Json::array(), -5), {}},
      {meta(Json::array(), int64_t{1} << 40), {}},
      {meta(Json::array(), "1024"), {}},
      {meta({file("f", 1, 1)}, 1024), {}},
      {meta({file("f", 1, 1)}, 1024), {{"g#0", one}}},
      {meta({file("f", 2, 1)}, 1024), {{"f#0", one}}},
      {meta({file("f", 1, 2)}, 1024), {{"f#0", one}, {"f#1", one}}},
      {meta({file("f", 1, -1)}, 1024), {{"f#0", one}}},
      {meta({file("f", -1, 1)}, 1024), {{"f#0", one}}},
      {meta({file("f", INT64_MAX, 1)}, 1024), {{"f#0", one}}},
      {meta({file("f", INT64_MAX, INT64_MAX / 1024 + 1)}, 1024), {{"f#0", one}}},
      {meta({file("f", 1, 1)}, 1024), {{"f#0", one}, {"g#0", one}}},
      {meta({file("b", 0, 0), file("a", 0, 0)}, 1024), {}},
      {meta({file("a", 0, 0), file("a", 0, 0)}, 1024), {}},
      {meta({Json("a")}, 1024), {}},
      {meta({Json{{"path", "a"}}}, 1024), {}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const Status status = OpenMeta(cases[i].first, cases[i].second).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << "case " << i << ": " << status;
  }
  const ArtifactRef other = artifacts_.Publish({"samples", meta(Json::array(), 1024), {}}).value();
  EXPECT_TRUE(absl::IsDataLoss(FileTree::Open(&artifacts_, other).status()));
  // A tree whose pieces are only promised: refused when read, before memory is asked for.
  std::vector<Part> promised;
  for (int i = 0; i < 64; ++i) promised.push_back({absl::StrCat("f#", i), huge});
  const auto tree = OpenMeta(meta({file("f", int64_t{64} << 29, 64)}, int64_t{1} << 29), promised);
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_TRUE(absl::IsNotFound(tree->ReadAll("f").status()));
}

TEST_F(FileTreeTest, ADownloadIsTheTreeAndEachFileIsWhole) {
  const std::string big = Pattern(static_cast<size_t>(kPieceBytes) + 99);
  const ArtifactRef artifact =
      UploadContents(artifacts_,
                     {{"a/b/big", Bytes::FromString(big)}, {"config.json", Bytes::FromString("{}")}, {"z", Bytes()}})
          .value();
  const FileTree tree = FileTree::Open(&artifacts_, artifact).value();
  int64_t last = 0;
  ASSERT_TRUE(tree.Download(folder_.path() + "/new/out",
                            [&](int64_t done, int64_t total) {
                              EXPECT_EQ(total, static_cast<int64_t>(big.size()) + 2);
                              EXPECT_GT(done, last);
                              last = done;
                            })
                  .ok());
  EXPECT_EQ(last, static_cast<int64_t>(big.size()) + 2);
  EXPECT_EQ(test::ReadFileOrEmpty(folder_.path() + "/new/out/a/b/big"), big);
  EXPECT_EQ(test::ReadFileOrEmpty(folder_.path() + "/new/out/config.json"), "{}");
  EXPECT_TRUE(fs::exists(folder_.path() + "/new/out/z"));
}

TEST_F(FileTreeTest, AFailedDownloadLeavesTheFileThatWasThereAndNoPartOfTheNew) {
  const std::string big = Pattern(static_cast<size_t>(2 * kPieceBytes));
  const ArtifactRef artifact = UploadContents(artifacts_, {{"f", Bytes::FromString(big)}}).value();
  const FileTree tree = FileTree::Open(&artifacts_, artifact).value();
  test::WriteFile(folder_.path() + "/f", "old");
  const Digest second = DigestOf(std::string_view(big).substr(static_cast<size_t>(kPieceBytes)));
  ASSERT_TRUE(store_.Delete(BlobKey(second)).ok());
  const Status status = tree.Download(folder_.path(), nullptr);
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("'f'"));
  EXPECT_EQ(test::ReadFileOrEmpty(folder_.path() + "/f"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace lwq
