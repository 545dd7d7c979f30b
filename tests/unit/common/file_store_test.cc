// SPDX-License-Identifier: Apache-2.0
// What only the store on a file system must show: its layout, other processes, death in the middle, full disks.
#include "common/object_store/file_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/file/staging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/full_disk.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

namespace fs = std::filesystem;
using test::AsBytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::unique_ptr<ObjectStore> Open(const std::string& root, bool sync = false) {
  StatusOr<std::unique_ptr<ObjectStore>> store = OpenFileStore(root, {.sync = sync});
  LWQ_CHECK(store.ok(), MessageOf(store.status()));
  return *std::move(store);
}

std::vector<std::string> Entries(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> Keys(ObjectStore& store) {
  std::vector<std::string> keys;
  const ListPage page = store.List("", "", 1000).value();
  for (const ObjectInfo& object : page.objects) keys.push_back(object.key);
  return keys;
}

// Runs `body` in a child process, which leaves without running anything of the test framework.
template <typename Body>
pid_t Fork(const Body& body) {
  const pid_t pid = ::fork();
  LWQ_CHECK(pid >= 0);
  if (pid == 0) {
    body();
    ::_exit(0);
  }
  return pid;
}

int Reap(pid_t pid) {
  int status = 0;
  LWQ_CHECK(::waitpid(pid, &status, 0) == pid);
  return status;
}

TEST(FileStoreTest, AnObjectIsAFileBelowTheRoot) {
  const test::TemporaryDirectory folder;
  const auto store = Open(folder.path());
  ASSERT_TRUE(store->Put("blobs/3f/3fa9", AsBytes("bytes"), {}).ok());
  EXPECT_EQ(test::ReadFileOrEmpty(folder.path() + "/blobs+/3f+/3fa9"), "bytes");
  EXPECT_THAT(Entries(folder.path()), ElementsAre("+staging", "blobs+"));
  EXPECT_THAT(Entries(folder.path() + "/+staging"), IsEmpty());
}

TEST(FileStoreTest, ASecondStoreOnTheSameFolderSeesTheSameObjects) {
  const test::TemporaryDirectory folder;
  const auto one = Open(folder.path());
  const auto two = Open(folder.path() + "///");
  ASSERT_TRUE(one->Put("k", AsBytes("1"), {}).ok());
  EXPECT_EQ(two->Get("k")->view(), "1");
  EXPECT_TRUE(absl::IsAlreadyExists(two->Put("k", AsBytes("2"), {.if_absent = true})));
  ASSERT_TRUE(two->Delete("k").ok());
  EXPECT_TRUE(absl::IsNotFound(one->Get("k").status()));
}

TEST(FileStoreTest, NoKeyReachesTheStagingFolder) {
  const test::TemporaryDirectory folder;
  const auto store = Open(folder.path());
  for (const std::string_view key : {"staging/x", ".staging/x", "-staging/x", "staging"}) {
    ASSERT_TRUE(store->Put(key, AsBytes(key), {}).ok()) << key;
  }
  EXPECT_THAT(Keys(*store), ElementsAre("-staging/x", ".staging/x", "staging", "staging/x"));
  const auto upload = store->StartUpload("open", {});
  ASSERT_TRUE(upload.ok());
  EXPECT_EQ(Entries(folder.path() + "/+staging").size(), 1u);
  EXPECT_EQ(Keys(*store).size(), 4u);
}

TEST(FileStoreTest, FilesThatAreNotObjectsAreNotListed) {
  const test::TemporaryDirectory folder;
  const auto store = Open(folder.path());
  ASSERT_TRUE(store->Put("a/b", AsBytes("1"), {}).ok());
  test::WriteFile(folder.path() + "/a+/name with space", "x");
  test::WriteFile(folder.path() + "/a+/b~", "x");
  fs::create_directory(folder.path() + "/a+/plain_folder");
  fs::create_symlink("/etc", folder.path() + "/a+/link");
  fs::create_directory(folder.path() + "/a+/+");
  EXPECT_THAT(Keys(*store), ElementsAre("a/b"));
  EXPECT_TRUE(absl::IsNotFound(store->Head("a/plain_folder").status()));
  EXPECT_FALSE(store->Get("a/plain_folder").ok());
}

TEST(FileStoreTest, FoldersRemovedBehindItsBackAreMadeAgain) {
  const test::TemporaryDirectory folder;
  const auto store = Open(folder.path());
  ASSERT_TRUE(store->Put("a/b/c", AsBytes("1"), {}).ok());
  fs::remove_all(folder.path() + "/a+");
  ASSERT_TRUE(store->Put("a/b/c", AsBytes("2"), {.if_absent = true}).ok());
  fs::remove_all(folder.path());
  ASSERT_TRUE(store->Put("a/b/c", AsBytes("3"), {.if_absent = true}).ok());
  EXPECT_EQ(store->Get("a/b/c")->view(), "3");
}

TEST(FileStoreTest, ARootThatCannotBeAFolderIsRefusedByName) {
  const test::TemporaryDirectory folder;
  test::WriteFile(folder.path() + "/file", "x");
  for (const std::string& root : {folder.path() + "/file", folder.path() + "/file/below"}) {
    const Status status = OpenFileStore(root, {}).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(root));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(OpenFileStore("relative", {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(OpenFileStore("", {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(OpenFileStore("/" + std::string(3000, 'r'), {}).status()));
}

TEST(FileStoreTest, OfConditionalPutsByEightProcessesExactlyOneWins) {
  constexpr int kProcesses = 8;
  constexpr int kKeys = 40;
  const test::TemporaryDirectory folder;
  int gate[2];
  int report[2];
  ASSERT_EQ(::pipe(gate), 0);
  ASSERT_EQ(::pipe(report), 0);
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    children.push_back(Fork([&] {
      ::close(gate[1]);
      const auto store = Open(folder.path());
      char byte;
      if (::read(gate[0], &byte, 1) != 0) ::_exit(2);  // until the parent closes its end
      for (int k = 0; k < kKeys; ++k) {
        const Status status = store->Put(absl::StrCat("race/", k), AsBytes(absl::StrCat(p)), {.if_absent = true});
        const char line[2] = {static_cast<char>(k), static_cast<char>(p)};
        if (status.ok() && ::write(report[1], line, 2) != 2) ::_exit(3);
        if (!status.ok() && !absl::IsAlreadyExists(status)) ::_exit(4);
      }
    }));
  }
  ::close(gate[0]);
  ::close(gate[1]);
  ::close(report[1]);
  std::vector<std::vector<int>> winners(kKeys);
  for (char line[2]; ::read(report[0], line, 2) == 2;) winners[static_cast<size_t>(line[0])].push_back(line[1]);
  ::close(report[0]);
  for (const pid_t child : children) EXPECT_EQ(Reap(child), 0);
  const auto store = Open(folder.path());
  for (int k = 0; k < kKeys; ++k) {
    ASSERT_EQ(winners[k].size(), 1u) << "key " << k;
    EXPECT_EQ(store->Get(absl::StrCat("race/", k))->view(), absl::StrCat(winners[k][0]));
  }
}

TEST(FileStoreTest, AProcessKilledWhileWritingLeavesWholeObjectsAndNoGarbage) {
  const test::TemporaryDirectory folder;
  const std::string object(300'000, 'o');
  for (int round = 0; round < 6; ++round) {
    int progress[2];
    ASSERT_EQ(::pipe(progress), 0);
    const pid_t writer = Fork([&] {
      const auto store = Open(folder.path());
      const auto unfinished = store->StartUpload(absl::StrCat("unfinished/", round), {});
      if (!unfinished.ok() || !(*unfinished)->Write(AsBytes(object)).ok()) ::_exit(2);
      for (int k = 0;; ++k) {
        if (!store->Put(absl::StrCat("round/", round, "/", k), AsBytes(object), {.if_absent = true}).ok()) ::_exit(3);
        if (::write(progress[1], "x", 1) != 1) ::_exit(4);
      }
    });
    ::close(progress[1]);
    char byte;
    for (int seen = 0; seen < 3 + round; ++seen) ASSERT_EQ(::read(progress[0], &byte, 1), 1);
    ::kill(writer, SIGKILL);
    EXPECT_TRUE(WIFSIGNALED(Reap(writer)));
    ::close(progress[0]);
    EXPECT_THAT(Entries(folder.path() + "/+staging"), ::testing::Not(IsEmpty()));
    const auto store = Open(folder.path());
    EXPECT_THAT(Entries(folder.path() + "/+staging"), IsEmpty());
    const ListPage page = store->List("", "", 1000).value();
    EXPECT_GE(page.objects.size(), static_cast<size_t>(3 + round));
    for (const ObjectInfo& info : page.objects) {
      EXPECT_THAT(info.key, HasSubstr("round/"));
      EXPECT_EQ(store->Get(info.key)->view(), object) << info.key;
    }
  }
}

TEST(FileStoreTest, OpeningAStoreLeavesTheUploadsOfTheLivingAlone) {
  const test::TemporaryDirectory folder;
  const auto store = Open(folder.path());
  auto upload = store->StartUpload("k", {});
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE((*upload)->Write(AsBytes("still here")).ok());
  EXPECT_EQ(Reap(Fork([&] { Open(folder.path()); })), 0);
  const auto other = Open(folder.path());
  ASSERT_TRUE((*upload)->Commit().ok());
  EXPECT_EQ(other->Get("k")->view(), "still here");
}

TEST(FileStoreTest, ADiskThatTakesNoMoreIsResourceExhaustedAndShowsNothing) {
  const test::TemporaryDirectory folder;
  const int broken = test::InSmallFiles(100'000, [&] {
    const auto store = Open(folder.path());
    const Status status = store->Put("big", AsBytes(std::string(200'000, 'b')), {});
    if (!absl::IsResourceExhausted(status)) return 3;
    if (MessageOf(status).find(folder.path()) == std::string_view::npos) return 4;
    if (!store->Put("small", AsBytes("s"), {}).ok()) return 5;
    if (Keys(*store) != std::vector<std::string>{"small"}) return 6;
    if (!Entries(folder.path() + "/+staging").empty()) return 7;
    // An upload goes on after a write that failed: the half of it that was written is not in the object.
    auto upload = store->StartUpload("mixed", {});
    if (!upload.ok() || !(*upload)->Write(AsBytes("head ")).ok()) return 8;
    if (!absl::IsResourceExhausted((*upload)->Write(AsBytes(std::string(200'000, 'x'))))) return 9;
    if (!(*upload)->Write(AsBytes("tail")).ok() || !(*upload)->Commit().ok()) return 10;
    return store->Get("mixed")->view() == "head tail" ? 0 : 11;
  });
  EXPECT_EQ(broken, 0);
}

TEST(StagingTest, ARepeatedLinkAfterALostAnswerIsOk) {
  const test::TemporaryDirectory folder;
  auto one = StagingFile::Create(folder.path());
  auto two = StagingFile::Create(folder.path());
  ASSERT_TRUE(one.ok() && two.ok());
  const std::string target = folder.path() + "/target";
  EXPECT_TRUE((*one)->LinkTo(target).ok());
  EXPECT_TRUE((*one)->LinkTo(target).ok());
  EXPECT_TRUE(absl::IsAlreadyExists((*two)->LinkTo(target)));
  EXPECT_TRUE(absl::IsNotFound((*two)->LinkTo(folder.path() + "/no/folder")));
}

TEST(StagingTest, SweepingRemovesWhatNobodyHoldsAndNothingElse) {
  const test::TemporaryDirectory folder;
  const auto alive = StagingFile::Create(folder.path());
  ASSERT_TRUE(alive.ok());
  test::WriteFile(folder.path() + "/of-the-dead", "x");
  SweepStaging(folder.path());
  EXPECT_EQ(Entries(folder.path()).size(), 1u);
  EXPECT_FALSE(fs::exists(folder.path() + "/of-the-dead"));
  SweepStaging(folder.path() + "/absent");
}

}  // namespace
}  // namespace lwq
