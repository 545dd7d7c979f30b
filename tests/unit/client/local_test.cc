// SPDX-License-Identifier: Apache-2.0
// Child processes, the state directory and `lwq local`, with shell scripts in place of the cluster's programs.
#include "client/local/local_cluster.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <mutex>
#include <sstream>

#include "client/local/submit_once.h"
#include "common/artifact/file_tree.h"
#include "common/json/json.h"
#include "common/object_store/open_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/testing/fake_s3.h"
#include "tests/testing/process.h"
#include "tests/unit/client/cli_harness.h"
#include "tests/unit/client/fake_run_service.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Values handed from a supervisor's thread to the test.
template <typename T>
class Channel {
 public:
  void Push(T value) {
    std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  T Pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !values_.empty(); });
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
};

class LocalTest : public testing::Test {
 protected:
  std::string At(const std::string& name) const { return folder_.path() + "/" + name; }

  ProcessSpec Shell(const std::string& script) { return {"child", {"/bin/sh", "-c", script}, At("child.log")}; }

  void WriteProgram(const std::string& name, const std::string& script) {
    fs::create_directories(At("bin"));
    test::WriteFile(At("bin/" + name), "#!/bin/sh\n" + script);
    fs::permissions(At("bin/" + name), fs::perms::owner_all);
  }

  test::TemporaryDirectory folder_;
};

TEST_F(LocalTest, AKilledChildIsStartedAgain) {
  Channel<pid_t> started;
  Channel<std::string> died;
  SupervisedProcess::Callbacks callbacks;
  callbacks.started = [&](pid_t pid, int) { started.Push(pid); };
  callbacks.died = [&](const std::string& why) { died.Push(why); };
  SupervisedProcess child(Shell("exec sleep 1000"), callbacks);
  const pid_t first = started.Pop();
  kill(first, SIGKILL);
  EXPECT_EQ(died.Pop(), "was killed by signal 9");
  EXPECT_NE(started.Pop(), first);
}

TEST_F(LocalTest, StopEndsAChildForGood) {
  Channel<pid_t> started;
  SupervisedProcess::Callbacks callbacks;
  callbacks.started = [&](pid_t pid, int) { started.Push(pid); };
  SupervisedProcess child(Shell("exec sleep 1000"), callbacks);
  started.Pop();
  child.RequestStop();
  EXPECT_TRUE(child.WaitStopped(std::chrono::minutes(1)));
  EXPECT_EQ(child.pid(), -1);
}

TEST_F(LocalTest, AChildThatIgnoresTheRequestCanBeKilled) {
  SupervisedProcess child(Shell("trap '' TERM; echo ready > " + At("ready") + "; while :; do sleep 1000 & wait; done"),
                          {});
  ASSERT_TRUE(test::WaitForFile(At("ready"), 60).ok());
  child.RequestStop();
  EXPECT_FALSE(child.WaitStopped(std::chrono::milliseconds(50)));
  child.Kill();
  EXPECT_TRUE(child.WaitStopped(std::chrono::minutes(1)));
}

TEST_F(LocalTest, AChildThatKeepsExitingIsGivenUpWithItsLastWords) {
  Channel<Status> gave_up;
  SupervisedProcess::Callbacks callbacks;
  callbacks.gave_up = [&](const Status& why) { gave_up.Push(why); };
  SupervisedProcess child(Shell("echo here; echo cannot open the store >&2; exit 1"), callbacks);
  EXPECT_EQ(MessageOf(gave_up.Pop()),
            "child exited with code 1 5 times in a row, saying \"cannot open the store\"; see " + At("child.log"));
  EXPECT_THAT(test::ReadFileOrEmpty(At("child.log")), HasSubstr("here\n"));
}

TEST_F(LocalTest, AChildWhoseInputIsBadIsNotStartedAgain) {
  Channel<Status> gave_up;
  Channel<std::string> died;
  SupervisedProcess::Callbacks callbacks;
  callbacks.gave_up = [&](const Status& why) { gave_up.Push(why); };
  callbacks.died = [&](const std::string& why) { died.Push(why); };
  const std::string once = At("once");
  SupervisedProcess child(
      Shell("[ -e " + once + " ] && { echo no such device; exit 2; }\n: > " + once + "\necho out of luck >&2; exit 1"),
      callbacks);
  EXPECT_EQ(died.Pop(), "exited with code 1, saying \"out of luck\"");
  EXPECT_EQ(MessageOf(gave_up.Pop()), "child exited with code 2, saying \"no such device\"; see " + At("child.log"));
}

TEST_F(LocalTest, WordsOfAnEarlierChildAreNotTheLastOnes) {
  test::WriteFile(At("child.log"), "an earlier session's\n");
  Channel<std::string> died;
  SupervisedProcess::Callbacks callbacks;
  callbacks.died = [&](const std::string& why) { died.Push(why); };
  SupervisedProcess child(Shell("exit 1"), callbacks);
  EXPECT_EQ(died.Pop(), "exited with code 1");
}

TEST_F(LocalTest, AProgramThatIsNotThereIsNamed) {
  Channel<Status> gave_up;
  SupervisedProcess::Callbacks callbacks;
  callbacks.gave_up = [&](const Status& why) { gave_up.Push(why); };
  SupervisedProcess child({"child", {"/absent/program"}, At("child.log")}, callbacks);
  EXPECT_EQ(MessageOf(gave_up.Pop()), "child: cannot start /absent/program: No such file or directory");
}

TEST_F(LocalTest, NoChildOutlivesAParentThatIsKilled) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // orphans come to this process, which can then see how they died
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    SupervisedProcess::Callbacks callbacks;
    callbacks.started = [&](pid_t pid, int) {
      [[maybe_unused]] const auto written = write(pipe_fds[1], &pid, sizeof(pid));
    };
    SupervisedProcess child(Shell("exec sleep 1000"), callbacks);
    pause();
    _exit(0);
  }
  pid_t orphan = 0;
  ASSERT_EQ(read(pipe_fds[0], &orphan, sizeof(orphan)), static_cast<ssize_t>(sizeof(orphan)));
  kill(parent, SIGKILL);
  ASSERT_EQ(waitpid(parent, nullptr, 0), parent);
  int wait_status = 0;
  ASSERT_EQ(waitpid(orphan, &wait_status, 0), orphan);
  EXPECT_TRUE(WIFSIGNALED(wait_status));
  EXPECT_EQ(WTERMSIG(wait_status), SIGKILL);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST_F(LocalTest, AStateDirectoryBelongsToOneProcessAtATime) {
  auto first = StateDirectory::Open(At("state"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(MessageOf(StateDirectory::Open(At("state")).status()),
            absl::StrCat("state directory ", At("state"), " is in use by another lwq (pid ", getpid(),
                         "); wait for it or give another --state"));
  first->reset();
  EXPECT_TRUE(StateDirectory::Open(At("state")).ok());
}

TEST_F(LocalTest, TheHoldersCoordinatorCanBeFound) {
  EXPECT_TRUE(absl::IsNotFound(StateDirectory::AddressOfHolder(At("state")).status()));
  auto state = StateDirectory::Open(At("state"));
  ASSERT_TRUE(WriteNote((*state)->Below("coordinator/address"), "127.0.0.1:4711").ok());
  EXPECT_EQ(*StateDirectory::AddressOfHolder(At("state")), "127.0.0.1:4711");
  state->reset();
  EXPECT_TRUE(absl::IsNotFound(StateDirectory::AddressOfHolder(At("state")).status())) << "an old address is nobody's";
}

TEST_F(LocalTest, AFileIsNoStateDirectory) {
  test::WriteFile(At("file"), "x");
  EXPECT_THAT(
      std::string(MessageOf(StateDirectory::Open(At("file")).status())),
      AllOf(StartsWith("state directory " + At("file") + " cannot be made: "), HasSubstr("; give another --state")));
}

TEST_F(LocalTest, ATemporaryStateDirectoryIsRemoved) {
  auto state = StateDirectory::OpenTemporary();
  ASSERT_TRUE(state.ok());
  const std::string path = (*state)->path();
  EXPECT_TRUE(fs::exists(path));
  state->reset();
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(LocalTest, OnlyATemporaryStateDirectoryIsRemovedBeforeItsEnd) {
  const auto temporary = StateDirectory::OpenTemporary();
  (*temporary)->RemoveIfTemporary();
  EXPECT_FALSE(fs::exists((*temporary)->path()));
  const auto kept = StateDirectory::Open(At("state"));
  (*kept)->RemoveIfTemporary();
  EXPECT_TRUE(fs::exists(At("state")));
}

// `lwq local` with programs that only announce the address of a coordinator in this process.
class LocalVerbTest : public LocalTest {
 protected:
  LocalVerbTest() : sweeps_(&service_), server_(&service_, &sweeps_) {
    cli_.binary_directory = At("bin");
    WriteProgram("lwq-coordinator",
                 "echo \"$@\"\n"
                 "while [ $# -gt 0 ]; do\n"
                 "  [ \"$1\" = --address-file ] && echo " +
                     server_.address() +
                     " > \"$2\"\n"
                     "  shift\n"
                     "done\n"
                     "exec sleep 1000\n");
    WriteProgram("lwq-worker", "echo \"$@\"\nexec sleep 1000\n");
    TinyModelOptions options;
    options.num_hidden_layers = 1;
    options.vocab_size = 32;
    EXPECT_TRUE(WriteTinyModel(At("model"), options).ok());
    test::WriteFile(At("model/tokenizer.json"),
                    R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, " ": 3}, "merges": ["a b"]}})");
    test::WriteFile(At("calib.txt"), "words");
    test::WriteFile(At("run.yaml"), "name: my run\nmodel: model\ncalib_dataset: calib.txt\nthreads: 64\n");
  }

  // What the watched run ends as, with an export in the store of state directory "state".
  void EndWith(lwqat::v1::RunState state) {
    fs::create_directories(At("state/objects"));
    const auto store = *OpenObjectStore("file://" + At("state/objects"));
    ArtifactStore artifacts(store.get());
    const auto tree = UploadContents(artifacts, {{"config.json", Bytes::FromString("{}")}});
    lwqat::v1::Run run = test::MeasuredRun("my run", "block_ap", 2.5, 2.0);
    run.set_state(state);
    run.mutable_export_()->set_digest(tree->digest.hex());
    run.mutable_export_()->set_size_bytes(tree->size_bytes);
    service_.watch_calls.push_back({run});
  }

  int Local(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"local", At("run.yaml"), "--state", At("state")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli_.Run(arguments);
  }

  test::FakeRunService service_;
  test::FakeSweepService sweeps_;
  test::FakeServer server_;
  test::CliHarness cli_;
};

TEST_F(LocalVerbTest, StartsProcessesSubmitsFetchesReportsAndStops) {
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(Local({"--workers", "1", "--output", At("models")}), 0) << cli_.err();
  EXPECT_EQ(test::ReadFileOrEmpty(At("models/my-run/config.json")), "{}");
  EXPECT_EQ(Json::parse(test::ReadFileOrEmpty(At("models/my-run/layer_statistics.json")))["average_bits"], 2);
  EXPECT_THAT(cli_.out(), AllOf(HasSubstr("my run"), HasSubstr("2.5000")));
  EXPECT_THAT(cli_.err(), AllOf(ContainsRegex("coordinator: pid [0-9]+\n"), ContainsRegex("worker-1: pid [0-9]+\n"),
                                HasSubstr("submitted run feed0000 (my run)\n")));
  EXPECT_TRUE(fs::exists(At("state/worker-1")));
}

TEST_F(LocalVerbTest, ARunThatOnlyMeasuresLeavesItsScoresInTheOutput) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  run.mutable_plan()->mutable_recipe()->set_method("sensitivity");
  service_.watch_calls = {{run}};
  ASSERT_EQ(Local({"--workers", "1", "--output", At("models"), "--method", "sensitivity"}), 0) << cli_.err();
  EXPECT_THAT(test::ReadFileOrEmpty(At("models/my-run/sensitivity_results_tiny_2_b.json")), HasSubstr("12.25"));
  EXPECT_FALSE(fs::exists(At("models/my-run/layer_statistics.json")));
}

TEST_F(LocalVerbTest, AnOutputThatCannotBeWrittenIsRefusedBeforeAnythingStarts) {
  test::WriteFile(At("a-file"), "");
  EXPECT_EQ(Local({"--workers", "1", "--output", At("a-file")}), 2);
  EXPECT_EQ(cli_.err(), "lwq: output: create folder " + At("a-file") + ": Not a directory\n");
  EXPECT_TRUE(service_.submitted.empty());
}

TEST_F(LocalVerbTest, TheOutputMayBeABucketThatIsLookedAtBeforeAnythingStarts) {
  ::setenv("AWS_ACCESS_KEY_ID", "AKFAKE", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "SKFAKE", 1);
  test::FakeS3 bucket;
  bucket.Fail("denied", 1, "GET", "list-type");
  EXPECT_EQ(Local({"--workers", "1", "--output", bucket.Uri("models")}), 2);
  EXPECT_THAT(cli_.err(), AllOf(StartsWith("lwq: output: "), HasSubstr("give these credentials the right to do so")));
  EXPECT_TRUE(service_.submitted.empty());
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(Local({"--workers", "1", "--output", bucket.Uri("models")}), 0) << cli_.err();
  EXPECT_EQ(bucket.Open("models/my-run")->Get("config.json")->view(), "{}");
  ::unsetenv("AWS_ACCESS_KEY_ID");
  ::unsetenv("AWS_SECRET_ACCESS_KEY");
}

TEST_F(LocalVerbTest, WorkersGetFoldersOfTheirOwnAndTheirFlags) {
  std::ostringstream out;
  Console console(&out, &out, {});
  const auto state = StateDirectory::Open(At("state"));
  ASSERT_TRUE(state.ok()) << state.status();
  LocalCluster::Options options;
  options.binary_directory = At("bin");
  options.workers = 1;
  options.max_threads = 3;
  options.memory_limit_bytes = 1'000'000;
  const auto cluster = LocalCluster::Start(options, **state, &console, &cli_.interrupt);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ((*cluster)->address(), server_.address());
  const auto log = test::WaitForFile(At("state/logs/worker-1.log"), 60);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ(*log, absl::StrCat("--coordinator ", server_.address(), " --device cpu --name worker-1 --cache-dir ",
                               At("state/worker-1"), " --max-threads 3 --log-level info --memory-limit-bytes 1000000"));
}

TEST_F(LocalVerbTest, TheCoordinatorGetsTheBudgetOfActivations) {
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(Local({"--workers", "1", "--activation-bytes", "2MiB"}), 0) << cli_.err();
  EXPECT_THAT(test::ReadFileOrEmpty(At("state/logs/coordinator.log")), HasSubstr("--activation-bytes 2097152"));
}

TEST_F(LocalVerbTest, JsonHasRunsAndReportAndNothingElse) {
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(Local({"--json"}), 0) << cli_.err();
  const Json json = Json::parse(cli_.out());
  EXPECT_EQ(json["runs"].size(), 1u);
  EXPECT_EQ(json["report"]["rows"][1]["name"], "my run");
  EXPECT_TRUE(fs::exists(At("state/exports/my-run/config.json")));
}

TEST_F(LocalVerbTest, ASweepIsSubmittedAsOneAndTheSameCommandGoesOnWithItWhileItIsUnfinished) {
  test::WriteFile(At("sweep.yaml"), "base: run.yaml\nseeds: [1, 2]\n");
  const auto local = [&] { return cli_.Run({"local", At("sweep.yaml"), "--state", At("state"), "--workers", "1"}); };
  for (int i = 0; i < 2; ++i) EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(local(), 0) << cli_.err();
  EXPECT_THAT(cli_.err(), HasSubstr("submitted sweep 5eed00000000 (sweep): 2 runs"));
  ASSERT_EQ(sweeps_.submitted.size(), 1u);
  EXPECT_FALSE(sweeps_.submitted[0].spec().has_halving());
  EXPECT_EQ(sweeps_.submitted[0].spec().runs_size(), 2);
  for (int i = 0; i < 2; ++i) EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(local(), 0) << cli_.err();
  EXPECT_THAT(cli_.err(), HasSubstr("resuming sweep 5eed00000000"));
  EXPECT_EQ(sweeps_.submitted.size(), 1u);
  // One run stopped and the others ended: it is over, and the same command is a new sweep.
  for (auto& sweep : sweeps_.sweeps) {
    sweep.mutable_members(0)->set_state(lwqat::v1::RUN_STATE_SUCCEEDED);
    sweep.mutable_members(1)->set_state(lwqat::v1::RUN_STATE_STOPPED);
  }
  for (int i = 0; i < 2; ++i) EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(local(), 0) << cli_.err();
  EXPECT_THAT(cli_.err(), HasSubstr("submitted sweep"));
  EXPECT_EQ(sweeps_.submitted.size(), 2u);
}

TEST_F(LocalVerbTest, ASweepKeepsItsHalving) {
  test::WriteFile(At("sweep.yaml"), "base: run.yaml\nseeds: [1, 2]\nhalving: {}\n");
  for (int i = 0; i < 2; ++i) EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(cli_.Run({"local", At("sweep.yaml"), "--state", At("state"), "--workers", "1"}), 0) << cli_.err();
  ASSERT_EQ(sweeps_.submitted.size(), 1u);
  EXPECT_TRUE(sweeps_.submitted[0].spec().has_halving());
}

TEST_F(LocalVerbTest, AFailedRunEndsWith1) {
  EndWith(lwqat::v1::RUN_STATE_FAILED);
  EXPECT_EQ(Local(), 1);
}

TEST_F(LocalVerbTest, TheSameCommandGoesOnWithAnUnfinishedRunAndANewOneAfterItEnded) {
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(Local(), 0) << cli_.err();
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);  // the service still holds the run as running: it was left unfinished
  ASSERT_EQ(Local(), 0) << cli_.err();
  EXPECT_THAT(cli_.err(), HasSubstr("resuming run feed0000"));
  EXPECT_EQ(service_.submitted[0].request_id(), service_.submitted[1].request_id());
  service_.With([](auto& service) {
    service.runs.front().set_state(lwqat::v1::RUN_STATE_SUCCEEDED);
    return 0;
  });
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(Local(), 0) << cli_.err();
  EXPECT_THAT(cli_.err(), HasSubstr("submitted run"));
  EXPECT_NE(service_.submitted.back().request_id(), service_.submitted[0].request_id());
}

TEST_F(LocalVerbTest, OfSeveralRunsTheUnfinishedOneGoesOnAndTheOtherIsBegun) {
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(Local(), 0) << cli_.err();  // the service still holds it as running
  test::WriteFile(At("second.yaml"), "name: second\nmodel: model\ncalib_dataset: calib.txt\n");
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(Local({At("second.yaml")}), 0) << cli_.err();
  EXPECT_THAT(cli_.err(),
              AllOf(HasSubstr("resuming run feed0000 (my run)\n"), HasSubstr("submitted run feed0002 (second)\n")));
  EXPECT_THAT(service_.cancelled, testing::IsEmpty());
  EXPECT_TRUE(fs::exists(At("state/exports/second/config.json")));
}

TEST_F(LocalVerbTest, RunsLeftByAnEarlierSessionThatNobodyAsksForAreCancelled) {
  service_.runs = {test::RunningRun(), test::FinishedRun()};
  EndWith(lwqat::v1::RUN_STATE_SUCCEEDED);
  ASSERT_EQ(Local(), 0) << cli_.err();
  EXPECT_THAT(service_.cancelled, testing::ElementsAre(test::RunningRun().id()));
}

TEST_F(LocalVerbTest, CtrlCEndsWith130AndSaysHowToResume) {
  service_.watch_calls = {{test::RunningRun()}};
  cli_.interrupt.Raise(InterruptedByUser());
  EXPECT_EQ(Local(), 130);
  EXPECT_THAT(cli_.err(), HasSubstr("lwq: interrupted; the same command goes on where it stopped (state is in " +
                                    At("state") + ")\n"));
}

TEST_F(LocalVerbTest, OneCtrlCWhileRunsAreWatchedLetsTheWorkersDrain) {
  WriteProgram("lwq-worker", "trap 'echo yes > " + At("drained") + "; kill $!; exit 0' TERM\necho ready > " +
                                 At("ready") + "\nwhile :; do sleep 1000 & wait; done\n");
  service_.watch_calls = {{test::RunningRun()}};
  service_.on_watch = [this, once = std::make_shared<std::once_flag>()] {
    EXPECT_TRUE(test::WaitForFile(At("ready"), 60).ok());
    std::call_once(*once, [this] { cli_.interrupt.Raise(InterruptedByUser()); });
  };
  EXPECT_EQ(Local({"--workers", "1"}), 130);
  EXPECT_EQ(cli_.interrupt.count(), 1) << "a second one would have killed them";
  EXPECT_EQ(test::ReadFileOrEmpty(At("drained")), "yes\n");
  EXPECT_THAT(cli_.err(), HasSubstr("lwq: interrupted; the same command goes on where it stopped"));
}

TEST_F(LocalVerbTest, WorkersThatCannotBeKeptRunningEndTheSessionWithTheReason) {
  WriteProgram("lwq-worker", "while [ ! -e " + At("watched") +
                                 " ]; do sleep 0.01; done\n"
                                 "echo 'no such device' >&2\nexit 2\n");
  service_.watch_calls = {{test::RunningRun()}};
  service_.on_watch = [this] { test::WriteFile(At("watched"), ""); };
  EXPECT_EQ(Local({"--workers", "2"}), 1);
  EXPECT_EQ(cli_.interrupt.count(), 1) << "though both were given up";
  EXPECT_THAT(cli_.err(), ContainsRegex("lwq: worker-[12] exited with code 2.*saying \"no such device\"; see "));
}

TEST_F(LocalVerbTest, MissingProgramsAreNamed) {
  EXPECT_EQ(Local({"--bin-dir", At("nowhere")}), 2);
  EXPECT_EQ(cli_.err(),
            "lwq: no program " + At("nowhere") + "/lwq-coordinator; give the folder that holds it with --bin-dir\n");
}

TEST_F(LocalVerbTest, ACoordinatorThatCannotStartEndsTheSessionWithItsLastWords) {
  WriteProgram("lwq-coordinator", "echo 'the store is of a newer version' >&2\nexit 1\n");
  EXPECT_EQ(Local(), 1);
  EXPECT_THAT(cli_.err(),
              HasSubstr("saying \"the store is of a newer version\"; see " + At("state/logs/coordinator.log")));
}

TEST_F(LocalVerbTest, TwoRunsWhoseExportsWouldMeetAreRefused) {
  test::WriteFile(At("second.yaml"), "name: my/run\nmodel: model\nmethod: rtn\n");
  EXPECT_EQ(Local({At("second.yaml")}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("would go to the same folder as that of \"my/run\"; give it another name"));
}

TEST_F(LocalVerbTest, AStateDirectoryInUseIsRefused) {
  auto holder = StateDirectory::Open(At("state"));
  EXPECT_EQ(Local(), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("is in use by another lwq"));
}

TEST_F(LocalVerbTest, VerbsReachTheCoordinatorOfAStateDirectory) {
  service_.runs = {test::FinishedRun()};
  ASSERT_TRUE(StateDirectory::Open(At("state")).ok());
  EXPECT_EQ(cli_.Run({"get", "3f2a", "--state", At("state")}), 0) << cli_.err();
  EXPECT_THAT(cli_.out(), HasSubstr("w2g128"));
}

TEST_F(LocalVerbTest, AVerbOutlivesTheVerbWhoseCoordinatorItFound) {
  service_.runs = {test::FinishedRun()};
  auto state = StateDirectory::Open(At("state"));
  test::FakeRunService other;
  other.on_list = [&] {
    state->reset();
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
  };
  const test::FakeServer other_server(&other);
  ASSERT_TRUE(WriteNote((*state)->Below("coordinator/address"), other_server.address()).ok());
  EXPECT_EQ(cli_.Run({"list", "--state", At("state")}), 0) << cli_.err();
  EXPECT_THAT(cli_.out(), HasSubstr("w2g128"));
}

TEST_F(LocalVerbTest, AStateDirectoryWhoseHolderNeverListensIsWaitedForNoLongerThanAsked) {
  auto state = StateDirectory::Open(At("state"));
  EXPECT_EQ(cli_.Run({"list", "--state", At("state"), "--timeout", "0.1"}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("is in use by another lwq"));
}

TEST_F(LocalVerbTest, VerbsThatAskForRunsMakeNoStateDirectory) {
  fs::create_directory(At("empty"));
  for (const char* folder : {"absent", "empty"}) {
    EXPECT_EQ(cli_.Run({"list", "--state", At(folder)}), 2);
    EXPECT_EQ(cli_.err(),
              "lwq: --state " + At(folder) + " is no state directory of lwq local; give the one that the run is in\n");
  }
  EXPECT_FALSE(fs::exists(At("absent")));
  EXPECT_TRUE(fs::is_empty(At("empty")));
  EXPECT_EQ(cli_.Run({"plan", At("run.yaml"), "--state", At("made")}), 0) << cli_.err();
  EXPECT_TRUE(StateDirectory::Exists(At("made")));
}

TEST_F(LocalVerbTest, PlanWithoutACoordinatorStartsOneForTheCall) {
  (*service_.plan.mutable_tasks())["train_block"] = 1;
  EXPECT_EQ(cli_.Run({"plan", At("run.yaml")}), 0) << cli_.err();
  EXPECT_EQ(cli_.out(), "tasks        1 (1 train_block)\n");
  EXPECT_EQ(cli_.err(), "");
}

TEST_F(LocalVerbTest, EvalWithoutACoordinatorRunsOnAClusterOfItsOwn) {
  lwqat::v1::Run run = test::MeasuredRun("eval", "none", 0, 2.125);
  service_.watch_calls = {{run}};
  EXPECT_EQ(cli_.Run({"eval", "--model", At("model"), "--eval_texts", At("calib.txt")}), 0) << cli_.err();
  EXPECT_THAT(cli_.out(), HasSubstr("2.1250"));
}

}  // namespace
}  // namespace lwq::client
