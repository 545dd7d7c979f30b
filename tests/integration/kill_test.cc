// SPDX-License-Identifier: Apache-2.0
// Any one process may die at any moment: the run ends with the same packed weights as an undisturbed one.
//
// Method: with fresh stores each time, a seeded victim is killed with SIGKILL when a seeded number of the run's tasks
// is done, and started again; the result is compared with that of an undisturbed run.
#include <filesystem>
#include <random>

#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

pb::Run Undisturbed(const std::string& directory, const std::string& run_file) {
  std::filesystem::create_directories(directory);
  Cluster cluster(directory, {});
  cluster.StartAll();
  return cluster.Finish(cluster.Submit(run_file));
}

// One seeded victim, killed at a seeded moment of the run and started again: the result is that of `reference`.
void KillOnce(const std::string& run_file, const pb::Run& reference, uint32_t seed) {
  std::mt19937 random(seed);
  const int victim = static_cast<int>(random() % 3);
  const int moment = static_cast<int>(random() % static_cast<uint32_t>(reference.tasks_total() - 1));
  SCOPED_TRACE(absl::StrCat("seed ", seed, ": ", victim == 0 ? "coordinator" : absl::StrCat("worker ", victim),
                            " killed with ", moment, " of ", reference.tasks_total(), " tasks done"));
  const TemporaryDirectory home;  // goes after the cluster, whose processes write into it
  Cluster cluster(home.path(), {});
  cluster.StartAll();
  const std::string id = cluster.Submit(run_file);
  bool killed = false;
  const StatusOr<pb::Run> run = cluster.Wait(id, kDeadlineSeconds, [&](const pb::Run& state) {
    if (killed || state.tasks_total() == 0 || state.tasks_done() < moment) return;
    killed = true;
    if (victim == 0) {
      cluster.KillCoordinator();
      cluster.StartCoordinator();
    } else {
      cluster.KillWorker(victim - 1);
      cluster.StartWorker(victim - 1);
    }
  });
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(run->state(), pb::RUN_STATE_SUCCEEDED) << run->error() << cluster.Logs();
  EXPECT_TRUE(killed);
  EXPECT_EQ(run->result_digest(), reference.result_digest()) << cluster.Logs();
}

TEST(KillTest, TenSeededKillsOfAnyProcessLeaveTheSamePackedWeights) {
  TemporaryDirectory directory;
  const std::string run_file = WriteSmallRun(directory.path(), "kill", {});
  const pb::Run reference = Undisturbed(directory.path() + "/reference", run_file);
  ASSERT_FALSE(reference.result_digest().empty());
  for (uint32_t seed = 0; seed < 10; ++seed) KillOnce(run_file, reference, seed);
}

struct KilledMethod {
  const char* name;
  const char* extra;
};

class KilledMethodTest : public ::testing::TestWithParam<KilledMethod> {};

TEST_P(KilledMethodTest, ThreeSeededKillsLeaveTheSameResult) {
  TemporaryDirectory directory;
  SmallRun small;
  small.epochs = 1;
  small.extra = GetParam().extra;
  const std::string run_file = WriteSmallRun(directory.path(), GetParam().name, small);
  const pb::Run reference = Undisturbed(directory.path() + "/reference", run_file);
  ASSERT_FALSE(reference.result_digest().empty());
  for (uint32_t seed = 20; seed < 23; ++seed) KillOnce(run_file, reference, seed);
}

INSTANTIATE_TEST_SUITE_P(Each, KilledMethodTest,
                         ::testing::Values(KilledMethod{"sensitivity",
                                                        "layer_ordering: sensitivity\nsensitivity_samples: 8\n"
                                                        "sensitivity_shard_samples: 4\nreorder_every: 2\n"},
                                           KilledMethod{
                                               "optimal",
                                               "use_mixed_precision: true\nmpq_strategy: optimal\ntarget_avg_bits: 4\n"
                                               "sensitivity_metric: output_fisher\nsensitivity_samples: 8\n"
                                               "sensitivity_shard_samples: 4\n"},
                                           KilledMethod{"independent", "handoff: independent\n"},
                                           KilledMethod{"relay", "handoff: relay\nblock_grouping: 2\n"}),
                         [](const auto& each) { return each.param.name; });

TEST(KillTest, AWorkerThatIsToldToStopGivesItsTaskBackAndSpendsNoAttempt) {
  TemporaryDirectory directory;
  SmallRun small;
  small.epochs = 40;  // long enough to be caught in the middle
  const std::string run_file = WriteSmallRun(directory.path(), "drain", small);
  ClusterOptions options;
  options.workers = 1;
  Cluster cluster(directory.path(), options);
  cluster.StartAll();
  const std::string id = cluster.Submit(run_file);
  bool stopped = false;
  const StatusOr<pb::Run> run = cluster.Wait(id, kDeadlineSeconds, [&](const pb::Run& state) {
    if (stopped) return;
    for (const pb::Task& task : state.tasks()) {
      if (task.kind() == "train_block" && task.state() == pb::TASK_STATE_LEASED && task.progress().step() > 0) {
        stopped = true;
        cluster.worker(0).Signal(SIGTERM);
        cluster.worker(0).Signal(SIGINT);  // the second signal does not wait for the task
        EXPECT_EQ(cluster.worker(0).Wait(), 0);
        cluster.StartWorker(0);
        return;
      }
    }
  });
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(run->state(), pb::RUN_STATE_SUCCEEDED) << run->error();
  EXPECT_TRUE(stopped);
  for (const pb::Task& task : run->tasks()) EXPECT_LE(task.attempts(), 1) << task.title();
}

}  // namespace
}  // namespace lwq::test
