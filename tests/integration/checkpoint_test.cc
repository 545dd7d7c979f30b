// SPDX-License-Identifier: Apache-2.0
// A worker that ends in the middle of a block's training, killed or told to go, loses no more than what came after its
// last checkpoint: the next attempt goes on from there, with the same result.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

constexpr std::string_view kSaved = "checkpoint at step ";
constexpr std::string_view kGoesOn = "goes on from step ";

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const std::string undisturbed = UndisturbedDigest();
    reference_ = undisturbed;
    run_file_ = RunFile(directory_.path());
  }

  static std::string RunFile(const std::string& directory) {
    SmallRun small;
    small.blocks = 1;
    small.epochs = 200;  // long enough to be caught in the middle
    return WriteSmallRun(directory, "checkpoint", small);
  }
  static std::string UndisturbedDigest() {
    const TemporaryDirectory home;
    Cluster cluster(home.path(), {.workers = 1, .worker_flags = {"--checkpoint-interval", "0"}});
    cluster.StartAll();
    const std::string id = cluster.Submit(RunFile(home.path()));
    const pb::Run run = cluster.Finish(id);
    EXPECT_FALSE(FindLine(cluster, id, kSaved).has_value()) << "an interval of 0 saves nothing";
    return run.result_digest();
  }
  std::string Home() {
    const std::string home = directory_.path() + "/home";
    std::filesystem::create_directories(home);
    return home;
  }
  // The first line of the run's log that begins so.
  static std::optional<pb::LogLine> FindLine(Cluster& cluster, const std::string& run, std::string_view beginning) {
    pb::GetRunLogsRequest request;
    request.set_run_id(run);
    request.set_page_size(5000);
    pb::GetRunLogsResponse response;
    grpc::ClientContext context;
    if (!cluster.stub().GetRunLogs(&context, request, &response).ok()) return std::nullopt;
    for (const pb::LogLine& line : response.lines()) {
      if (line.text().starts_with(beginning)) return line;
    }
    return std::nullopt;
  }
  static int64_t StepOf(const pb::LogLine& line, std::string_view beginning) {
    int64_t step = 0;
    const char* begin = line.text().data() + beginning.size();
    std::from_chars(begin, line.text().data() + line.text().size(), step);
    return step;
  }
  // The run has ended as the undisturbed one, and its training went on in the middle.
  void ExpectGoneOn(Cluster& cluster, const StatusOr<pb::Run>& run) {
    ASSERT_TRUE(run.ok()) << run.status() << cluster.Logs();
    ASSERT_EQ(run->state(), pb::RUN_STATE_SUCCEEDED) << run->error() << cluster.Logs();
    const std::optional<pb::LogLine> line = FindLine(cluster, run->id(), kGoesOn);
    ASSERT_TRUE(line.has_value()) << cluster.Logs();
    EXPECT_GT(StepOf(*line, kGoesOn), 0) << line->text();
    EXPECT_EQ(run->result_digest(), reference_) << cluster.Logs();
  }
  static bool IsTraining(const pb::Run& run) {
    return std::any_of(run.tasks().begin(), run.tasks().end(), [](const pb::Task& task) {
      return task.kind() == "train_block" && task.state() == pb::TASK_STATE_LEASED && task.progress().step() > 0;
    });
  }
  // Manifests of checkpoints in the object store.
  static int Checkpoints(const Cluster& cluster) {
    int found = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(cluster.objects_directory())) {
      std::error_code gone;
      if (!entry.is_regular_file(gone) || entry.file_size(gone) > 1 << 16 || gone) continue;
      found += ReadFileOrEmpty(entry.path()).starts_with("{\"kind\":\"checkpoint\"") ? 1 : 0;
    }
    return found;
  }
  // The worker ends well when `tell` has told it to, and its task is given back.
  void ExpectGivenBack(std::vector<std::string> worker_flags, const std::function<void(Process& worker)>& tell,
                       const std::function<void()>& before_restart) {
    worker_flags.insert(worker_flags.end(), {"--checkpoint-interval", "3600"});  // only the drain saves
    Cluster cluster(Home(), {.workers = 1, .worker_flags = worker_flags});
    cluster.StartAll();
    bool told = false;
    const StatusOr<pb::Run> run = cluster.Wait(cluster.Submit(run_file_), kDeadlineSeconds, [&](const pb::Run& state) {
      if (told || !IsTraining(state)) return;
      told = true;
      tell(cluster.worker(0));
      EXPECT_EQ(cluster.worker(0).Wait(), 0);
      before_restart();
      cluster.StartWorker(0);
    });
    EXPECT_TRUE(told);
    ExpectGoneOn(cluster, run);
    for (const pb::Task& task : run->tasks()) EXPECT_LE(task.attempts(), 1) << task.title();
  }

  const TemporaryDirectory directory_;
  std::string run_file_;
  std::string reference_;  // digest of the undisturbed run's result
};

TEST_F(CheckpointTest, AnotherWorkerGoesOnWhereAKilledOneWasAndNoCheckpointIsLeft) {
  Cluster cluster(Home(), {.workers = 2, .worker_flags = {"--checkpoint-interval", "0.001"}});
  cluster.StartAll();
  const std::string id = cluster.Submit(run_file_);
  std::string killed;
  const StatusOr<pb::Run> run = cluster.Wait(id, kDeadlineSeconds, [&](const pb::Run& state) {
    if (!killed.empty() || !IsTraining(state)) return;
    const std::optional<pb::LogLine> saved = FindLine(cluster, id, kSaved);
    if (!saved.has_value()) return;
    killed = saved->worker();
    cluster.KillWorker(killed == "worker-1" ? 0 : 1);
  });
  EXPECT_FALSE(killed.empty()) << cluster.Logs();
  ExpectGoneOn(cluster, run);
  EXPECT_NE(FindLine(cluster, id, kGoesOn)->worker(), killed);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(kDeadlineSeconds);
  // The killed worker's last, which the coordinator may not have heard of, is for `lwq gc`.
  while (Checkpoints(cluster) > 1 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_LE(Checkpoints(cluster), 1);
}

TEST_F(CheckpointTest, ATerminatedWorkerSavesItsTaskGivesItBackAndEnds) {
  ExpectGivenBack(
      {}, [](Process& worker) { worker.Signal(SIGTERM); }, [] {});
}

TEST_F(CheckpointTest, SoDoesOneWhosePreemptionFileAppears) {
  const std::string notice = directory_.path() + "/preempted";
  ExpectGivenBack(
      {"--preemption-file", notice}, [&](Process&) { WriteFile(notice, ""); },
      [&] { std::filesystem::remove(notice); });
}

}  // namespace
}  // namespace lwq::test
