// SPDX-License-Identifier: Apache-2.0
// Fetching from a Hub of our own, its storage on another host, both failing on request.
#include "common/hub/hub_snapshot.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <mutex>

#include "common/digest/digest.h"
#include "common/json/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_hub.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

namespace fs = std::filesystem;
using test::FakeHub;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kPart = 64 << 10;

// No two bytes alike for long.
std::string Noise(size_t size, uint32_t seed) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(((i + seed) * 2654435761U) >> 13);
  return text;
}

class HubSnapshotTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { hub_ = new FakeHub(); }
  static void TearDownTestSuite() {
    delete hub_;
    hub_ = nullptr;
  }

  // A repository of its own for each test: config.json in git, weights of five parts and a bit in LFS.
  void SetUp() override {
    id_ = absl::StrCat("org/", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    settings_.endpoint = hub_->endpoint();
    settings_.cache_folder = folder_.path() + "/cache";
    options_.client.retry.attempts_max = 4;
    options_.client.wait = [this](absl::Duration duration) {
      const std::lock_guard<std::mutex> lock(mutex_);
      waited_.push_back(duration);
      return absl::OkStatus();
    };
    options_.part_bytes = kPart;
    options_.parallel = 3;
    Write("config.json", "{\"a\": 1}");
    Write("sub/deep/notes.txt", "notes");
    Write("empty.txt", "");
    Write("model.safetensors", Noise(5 * kPart + 77, static_cast<uint32_t>(std::hash<std::string>()(id_))));
  }

  std::string Source() const { return folder_.path() + "/source"; }
  void Write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(Source() + "/" + path).parent_path());
    test::WriteFile(Source() + "/" + path, text);
  }
  std::string Commit(Json more = Json::object()) { return hub_->Commit(id_, Source(), std::move(more)); }

  StatusOr<std::unique_ptr<HubSnapshot>> Open(const std::string& revision = "main") {
    return HubSnapshot::Open(settings_, {HubRepo::Kind::kModel, id_}, revision, options_);
  }
  // Everything of the commit.
  Status FetchAll(const std::string& revision = "main") {
    const auto snapshot = Open(revision);
    LWQ_RETURN_IF_ERROR(snapshot.status());
    std::vector<std::string> paths;
    for (const auto& [path, file] : (*snapshot)->files()) paths.push_back(path);
    LWQ_RETURN_IF_ERROR((*snapshot)->Fetch(paths, nullptr));
    return (*snapshot)->Remember(/*is_whole=*/true);
  }
  std::string Repo() const { return settings_.cache_folder + "/models--org--" + id_.substr(4); }
  std::string Snapshot(const std::string& commit) const { return Repo() + "/snapshots/" + commit; }
  void ExpectWhole(const std::string& commit) {
    for (const char* path : {"config.json", "sub/deep/notes.txt", "empty.txt", "model.safetensors"}) {
      EXPECT_TRUE(test::ReadFileOrEmpty(Snapshot(commit) + "/" + path) == test::ReadFileOrEmpty(Source() + "/" + path))
          << path;
    }
  }
  int ReadsOf(std::string_view server) { return hub_->Count(server, Digest256(), "GET"); }
  // The name of the weights in the storage.
  std::string Digest256() { return DigestOf(test::ReadFileOrEmpty(Source() + "/model.safetensors")).hex(); }

  static FakeHub* hub_;
  test::TemporaryDirectory folder_;
  std::string id_;
  HubSettings settings_;
  HubFetchOptions options_;
  std::mutex mutex_;
  std::vector<absl::Duration> waited_;
};
FakeHub* HubSnapshotTest::hub_ = nullptr;

TEST_F(HubSnapshotTest, FilesComeWholeAndInTheLayoutOfTheHubsOwnCache) {
  const std::string commit = Commit({{"xet", true}});
  ASSERT_TRUE(FetchAll().ok()) << FetchAll();
  ExpectWhole(commit);
  EXPECT_EQ(test::ReadFileOrEmpty(Repo() + "/refs/main"), commit) << "without a line end";
  EXPECT_EQ(fs::read_symlink(Snapshot(commit) + "/model.safetensors"), "../../blobs/" + Digest256());
  EXPECT_THAT(fs::read_symlink(Snapshot(commit) + "/sub/deep/notes.txt").string(), HasSubstr("../../../../blobs/"));
  const auto tree = ParseJson(test::ReadFileOrEmpty(Repo() + "/trees/" + commit + ".json"), "tree");
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_EQ((*tree)["format_version"], 1);
  EXPECT_EQ((*tree)["files"]["model.safetensors"]["lfs_sha256"], Digest256());
  EXPECT_EQ((*tree)["files"]["model.safetensors"]["lfs_size"], 5 * kPart + 77);
  EXPECT_TRUE((*tree)["files"]["model.safetensors"].contains("xet_hash"));
  EXPECT_FALSE((*tree)["files"]["config.json"].contains("lfs_sha256"));
  struct stat info {};
  ASSERT_EQ(::stat((Repo() + "/trees/" + commit + ".json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  for (const auto& entry : fs::directory_iterator(Repo() + "/blobs")) {
    const size_t digits = entry.path().filename().string().size();
    EXPECT_TRUE(digits == 40 || digits == 64) << entry.path() << ": others take every file here for whole";
  }
  EXPECT_TRUE(fs::is_empty(Repo() + "/.lwq")) << "nothing is left of what was being fetched";
  EXPECT_EQ(ReadsOf("storage"), 6) << "six parts";
}

TEST_F(HubSnapshotTest, WhatIsHereIsNotFetchedAgainAndAWholeCommitAsksNobody) {
  const std::string commit = Commit();
  ASSERT_TRUE(FetchAll().ok());
  const size_t before = hub_->Log().size();
  ASSERT_TRUE(FetchAll().ok());
  EXPECT_EQ(hub_->Log().size() - before, 1U) << "what the branch is now";
  ASSERT_TRUE(FetchAll(commit).ok());
  EXPECT_EQ(hub_->Log().size() - before, 1U) << "a commit is itself";
  Write("config.json", "{\"a\": 2}");
  const std::string next = Commit();
  ASSERT_TRUE(FetchAll().ok());
  ExpectWhole(next);
  EXPECT_EQ(ReadsOf("storage"), 6) << "the weights are the same";
  EXPECT_EQ(test::ReadFileOrEmpty(Repo() + "/refs/main"), next);
}

TEST_F(HubSnapshotTest, TheTokenGoesToTheHubAndNotToItsStorage) {
  settings_.token = "hf_good";
  Commit({{"private", true}});
  const size_t before = hub_->Log().size();
  ASSERT_TRUE(FetchAll().ok());
  std::vector<FakeHub::Request> log = hub_->Log();
  int of_storage = 0;
  for (size_t i = before; i < log.size(); ++i) {
    EXPECT_EQ(log[i].headers.value("accept-encoding", ""), "identity") << log[i].path;
    const bool has_token = log[i].headers.contains("authorization");
    EXPECT_EQ(has_token, log[i].server == "hub") << log[i].server << log[i].path;
    if (has_token) {
      EXPECT_EQ(log[i].headers["authorization"], "Bearer hf_good");
    }
    of_storage += log[i].server == "storage" ? 1 : 0;
  }
  EXPECT_EQ(of_storage, 6);
}

TEST_F(HubSnapshotTest, EveryPageOfTheListIsRead) {
  Commit({{"page", 1}});
  const auto snapshot = Open();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ((*snapshot)->files().size(), 4U);
  EXPECT_EQ(hub_->Count("hub", id_ + "/tree/"), 4);
}

TEST_F(HubSnapshotTest, ARevisionWithASlashIsQuotedAndRemembered) {
  const std::string commit = Commit({{"branches", Json::array({"refs/pr/1"})}});
  ASSERT_TRUE(FetchAll("refs/pr/1").ok());
  EXPECT_EQ(test::ReadFileOrEmpty(Repo() + "/refs/refs/pr/1"), commit);
  EXPECT_EQ(hub_->Count("hub", "/revision/refs%2Fpr%2F1"), 1);
}

TEST_F(HubSnapshotTest, ARepositoryThatWasRenamedIsFound) {
  hub_->Commit("org/new-name", Source());
  Commit({{"move_to", "org/new-name"}});
  EXPECT_TRUE(FetchAll().ok()) << FetchAll();
}

TEST_F(HubSnapshotTest, RefusalsAreOneTrueLine) {
  const auto said = [&] { return std::string(MessageOf(FetchAll())); };
  EXPECT_THAT(said(),
              AllOf(HasSubstr("there is no model " + id_), HasSubstr("or it is private"), HasSubstr("HF_TOKEN")));
  Commit({{"gated", true}});
  EXPECT_THAT(said(), AllOf(HasSubstr("is gated: accept its licence at " + hub_->endpoint() + "/" + id_),
                            HasSubstr("HF_TOKEN")));
  settings_.token = "hf_poor";
  EXPECT_THAT(said(), HasSubstr("with the account of your token"));
  settings_.token = "hf_unknown";
  EXPECT_THAT(said(), HasSubstr("does not take your token"));
  settings_.token = "hf_good";
  EXPECT_TRUE(FetchAll().ok());
  EXPECT_THAT(std::string(MessageOf(FetchAll("dev"))), HasSubstr("has no revision \"dev\""));
}

TEST_F(HubSnapshotTest, FailuresThatPassAreOutlived) {
  struct Case {
    const char* kind;
    const char* server;
  };
  for (const Case& one :
       {Case{"500", "hub"}, Case{"503", "hub"}, Case{"drop", "hub"}, Case{"500", "storage"}, Case{"503", "storage"},
        Case{"drop", "storage"}, Case{"truncate", "storage"}, Case{"total", "storage"}, Case{"gzip", "storage"}}) {
    fs::remove_all(settings_.cache_folder);
    const std::string commit = Commit();
    hub_->Fail(one.kind, 2, one.server);
    const Status fetched = FetchAll();
    EXPECT_TRUE(fetched.ok()) << one.kind << " " << one.server << ": " << fetched;
    ExpectWhole(commit);
  }
}

TEST_F(HubSnapshotTest, ATruncatedPartIsGoneOnWithFromTheByteItEndedAt) {
  Write("model.safetensors", Noise(200 << 10, 2));
  options_.part_bytes = 256 << 10;
  const std::string commit = Commit();
  hub_->Fail("truncate", 1, "storage");
  ASSERT_TRUE(FetchAll().ok());
  ExpectWhole(commit);
  std::vector<std::string> ranges;
  for (const FakeHub::Request& request : hub_->Log()) {
    if (request.server == "storage" && request.path.find(Digest256()) != std::string::npos) {
      ranges.push_back(request.headers.value("range", ""));
    }
  }
  EXPECT_THAT(ranges, ElementsAre("bytes=0-204799", "bytes=102400-204799"));
}

TEST_F(HubSnapshotTest, TheTimeThatTheHubAsksForIsWaited) {
  Commit();
  hub_->Fail("429", 1, "hub");
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(waited_, ::testing::Contains(absl::Seconds(3))) << "Retry-After: 2, and one more";
  waited_.clear();
  fs::remove_all(settings_.cache_folder);
  hub_->Fail("ratelimit", 1, "hub");
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(waited_, ::testing::Contains(absl::Seconds(4))) << "RateLimit counts before Retry-After";
}

TEST_F(HubSnapshotTest, AServerThatStaysDownIsAnErrorWithAWayOut) {
  const std::string commit = Commit();
  ASSERT_TRUE(FetchAll().ok());
  settings_.endpoint = "http://127.0.0.1:1";
  const Status status = FetchAll();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("HF_HUB_OFFLINE=1"));
  EXPECT_TRUE(FetchAll(commit).ok()) << "a commit that is here asks nobody";
}

TEST_F(HubSnapshotTest, AnExpiredUrlIsAskedForAnew) {
  const std::string commit = Commit();
  hub_->Fail("403", 1, "storage");
  ASSERT_TRUE(FetchAll().ok());
  ExpectWhole(commit);
  EXPECT_EQ(hub_->Count("hub", id_ + "/resolve/" + commit + "/model.safetensors", "HEAD"), 2);
  fs::remove_all(settings_.cache_folder);
  hub_->Fail("403", 1000, "storage", Digest256());
  const Status refused = FetchAll();
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("also to a new signed URL"));
}

TEST_F(HubSnapshotTest, AnotherVersionInTheMiddleIsNotJoined) {
  const std::string commit = Commit();
  options_.parallel = 1;
  hub_->Fail("etag", 1, "storage", Digest256(), "GET", /*skip=*/2);
  ASSERT_TRUE(FetchAll().ok()) << "asked again, the server gave the right one";
  ExpectWhole(commit);
  EXPECT_EQ(ReadsOf("storage"), 7);
  fs::remove_all(settings_.cache_folder);
  hub_->Fail("etag", 1, "storage");  // what comes first is the odd one: everything else differs from it
  const Status status = FetchAll();
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("another version (ETag)"));
  ASSERT_TRUE(FetchAll().ok());
  ExpectWhole(commit);
}

TEST_F(HubSnapshotTest, WrongBytesAreFetchedOnceMoreAndNeverKept) {
  const std::string commit = Commit();
  hub_->Fail("damaged", 1, "storage");
  ASSERT_TRUE(FetchAll().ok()) << "the second time they were right";
  ExpectWhole(commit);
  fs::remove_all(settings_.cache_folder);
  hub_->Fail("damaged", 7, "storage");
  const Status status = FetchAll();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(MessageOf(status)), AllOf(HasSubstr("model.safetensors"), HasSubstr("SHA-256")));
  EXPECT_FALSE(fs::exists(Repo() + "/blobs/" + Digest256()));
  EXPECT_FALSE(fs::exists(Snapshot(commit) + "/model.safetensors"));
  fs::remove_all(settings_.cache_folder);
  hub_->Fail("damaged", 2, "hub", "config.json", "GET");
  EXPECT_THAT(std::string(MessageOf(FetchAll())), AllOf(HasSubstr("config.json"), HasSubstr("git SHA-1")));
}

TEST_F(HubSnapshotTest, AServerWithoutRangesIsReadFromTheStart) {
  const std::string commit = Commit();
  hub_->Fail("norange", 1000, "storage", Digest256());
  const Status fetched = FetchAll();
  ASSERT_TRUE(fetched.ok()) << fetched;
  ExpectWhole(commit);
}

TEST_F(HubSnapshotTest, HostileListsMakeNoFiles) {
  const std::string sha1(40, '1');
  Commit({{"tree", Json::array({{{"type", "file"}, {"path", "../../../../evil"}, {"size", 1}, {"oid", sha1}}})}});
  EXPECT_TRUE(absl::IsInvalidArgument(Open().status())) << Open().status();
  Commit({{"tree",
           Json::array({{{"type", "file"}, {"path", "config.json"}, {"size", int64_t{1} << 60}, {"oid", sha1}}})}});
  EXPECT_TRUE(absl::IsInvalidArgument(Open().status())) << Open().status();
  EXPECT_FALSE(fs::exists(folder_.path() + "/evil"));
  // A list that says other than the file's own head does.
  Commit({{"tree", Json::array({{{"type", "file"}, {"path", "config.json"}, {"size", 8}, {"oid", sha1}}})}});
  EXPECT_THAT(std::string(MessageOf(FetchAll())), HasSubstr("other than its list of files"));
}

TEST_F(HubSnapshotTest, WhatIsNoServerOfTheHubsApiIsSaid) {
  Commit();
  hub_->Fail("html", 1, "hub");
  EXPECT_THAT(std::string(MessageOf(Open().status())), HasSubstr("none of the Hub's"));
}

TEST_F(HubSnapshotTest, ATruncatedBlobOfSomebodyElseIsReplaced) {
  const std::string commit = Commit();
  ASSERT_TRUE(FetchAll().ok());
  fs::resize_file(Repo() + "/blobs/" + Digest256(), 1000);
  ASSERT_TRUE(FetchAll(commit).ok());
  ExpectWhole(commit);
}

TEST_F(HubSnapshotTest, OfflineWhatIsHereIsUsedAndWhatIsNotIsNamed) {
  const std::string commit = Commit();
  const auto some = Open();
  ASSERT_TRUE(some.ok());
  ASSERT_TRUE((*some)->Fetch({"config.json"}, nullptr).ok());
  ASSERT_TRUE((*some)->Remember(/*is_whole=*/false).ok());
  const size_t before = hub_->Log().size();
  settings_.offline = true;
  EXPECT_THAT(std::string(MessageOf(FetchAll())), AllOf(HasSubstr("empty.txt"), HasSubstr("HF_HUB_OFFLINE")));
  const auto offline = Open();
  ASSERT_TRUE(offline.ok()) << offline.status();
  EXPECT_TRUE((*offline)->Fetch({"config.json"}, nullptr).ok());
  EXPECT_EQ((*offline)->commit(), commit);
  EXPECT_THAT(std::string(MessageOf(Open("dev").status())), HasSubstr("is not in"));
  EXPECT_EQ(hub_->Log().size(), before) << "nobody was asked";
}

TEST_F(HubSnapshotTest, ACacheThatOthersMadeIsReadWithoutAList) {
  const std::string commit(40, 'c');
  fs::create_directories(Snapshot(commit));
  fs::create_directories(Repo() + "/refs");
  test::WriteFile(Repo() + "/refs/main", commit);
  test::WriteFile(Snapshot(commit) + "/config.json", "{}");
  settings_.offline = true;
  const auto snapshot = Open();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_TRUE((*snapshot)->Fetch({"config.json"}, nullptr).ok());
  EXPECT_TRUE(absl::IsNotFound((*snapshot)->Fetch({"model.safetensors"}, nullptr)));
}

TEST_F(HubSnapshotTest, WhatAKilledProcessFetchedIsGoneOnWith) {
  const std::string commit = Commit();
  options_.parallel = 1;
  hub_->Fail("stall", 1, "storage", Digest256(), "GET", /*skip=*/4);
  const pid_t child = ::fork();
  if (child == 0) {
    FetchAll().IgnoreError();
    ::_exit(0);
  }
  while (hub_->Waiting() == 0) {
    ASSERT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << "the child has ended";
  }
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(fs::exists(Snapshot(commit) + "/model.safetensors"));
  ASSERT_EQ(ReadsOf("storage"), 5);
  ASSERT_TRUE(FetchAll().ok());
  ExpectWhole(commit);
  EXPECT_EQ(ReadsOf("storage"), 7) << "four parts were there; the fifth and the sixth were not";
  EXPECT_TRUE(fs::is_empty(Repo() + "/.lwq"));
}

TEST_F(HubSnapshotTest, AnInterruptEndsAFetchAndItsPartsStay) {
  const std::string commit = Commit();
  options_.parallel = 1;
  std::atomic<int64_t> seen{0};
  options_.client.keep_going = [&]() -> Status {
    return seen.load() >= 3 * kPart ? absl::CancelledError("interrupted") : absl::OkStatus();
  };
  const auto snapshot = Open();
  ASSERT_TRUE(snapshot.ok());
  const Status stopped = (*snapshot)->Fetch({"model.safetensors"}, [&](int64_t done, int64_t) { seen = done; });
  EXPECT_TRUE(absl::IsCancelled(stopped)) << stopped;
  const int before = ReadsOf("storage");
  EXPECT_GE(before, 3);
  EXPECT_LE(before, 4) << "it ended at the next piece";
  options_.client.keep_going = nullptr;
  ASSERT_TRUE(FetchAll().ok());
  ExpectWhole(commit);
  EXPECT_LE(ReadsOf("storage") - before, 4) << "two or three of six parts had come";
}

TEST_F(HubSnapshotTest, TwoProcessesAtOnceFetchEachFileOnce) {
  const std::string commit = Commit();
  options_.client.wait = WaitBySleeping;
  std::vector<pid_t> children;
  for (int i = 0; i < 2; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(FetchAll().ok() ? 0 : 1);
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  ExpectWhole(commit);
  EXPECT_EQ(ReadsOf("storage"), 6) << "the other one waited for it";
}

TEST_F(HubSnapshotTest, ProgressEndsAtAllOfTheBytes) {
  Commit();
  std::mutex mutex;
  int64_t most = 0;
  int64_t total = 0;
  const auto snapshot = Open();
  ASSERT_TRUE(snapshot.ok());
  ASSERT_TRUE((*snapshot)
                  ->Fetch({"model.safetensors", "config.json"},
                          [&](int64_t done_bytes, int64_t total_bytes) {
                            const std::lock_guard<std::mutex> lock(mutex);
                            most = std::max(most, done_bytes);
                            total = total_bytes;
                          })
                  .ok());
  EXPECT_EQ(total, 5 * kPart + 77 + 8);
  EXPECT_EQ(most, total);
}

}  // namespace
}  // namespace lwq
