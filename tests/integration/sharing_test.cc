// Equal key, executed once: across runs, across stores, and while both run.
#include <filesystem>
#include <map>

#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

constexpr double kDeadlineSeconds = 120;

pb::Run Finish(Cluster& cluster, const std::string& id) {
  const StatusOr<pb::Run> run = cluster.Wait(id, kDeadlineSeconds, nullptr);
  LWQ_CHECK(run.ok(), run.status().ToString());
  LWQ_CHECK(run->state() == pb::RUN_STATE_SUCCEEDED, run->error(), "\n", cluster.Logs());
  return *run;
}

TEST(SharingTest, TwoRunsOnSeparateStoresHaveEqualDigestsAndAThirdOnTheFirstStoreExecutesNothing) {
  TemporaryDirectory directory;
  const std::string run_file = WriteSmallRun(directory.path(), "same", {});
  std::filesystem::create_directories(directory.path() + "/a");
  std::filesystem::create_directories(directory.path() + "/b");
  Cluster a(directory.path() + "/a", {});
  a.StartAll();
  const pb::Run first = Finish(a, a.Submit(run_file));
  Cluster b(directory.path() + "/b", {});
  b.StartAll();
  const pb::Run second = Finish(b, b.Submit(run_file));
  EXPECT_EQ(first.result_digest(), second.result_digest());
  EXPECT_EQ(first.export_().digest(), second.export_().digest());
  ASSERT_EQ(first.perplexities_size(), second.perplexities_size());
  for (int i = 0; i < first.perplexities_size(); ++i) {
    EXPECT_EQ(first.perplexities(i).perplexity(), second.perplexities(i).perplexity());
  }
  EXPECT_EQ(Executed(first, "train_block"), 4);

  const pb::Run third = Finish(a, a.Submit(run_file));
  EXPECT_NE(third.id(), first.id());
  EXPECT_EQ(Executed(third, ""), 0);
  EXPECT_EQ(third.result_digest(), first.result_digest());
}

TEST(SharingTest, TwoRunsSubmittedTogetherExecuteEachTaskOnce) {
  TemporaryDirectory directory;
  const std::string run_file = WriteSmallRun(directory.path(), "twins", {});
  Cluster cluster(directory.path(), {});
  cluster.StartCoordinator();  // both are in before the first worker is
  const std::string one = cluster.Submit(run_file);
  const std::string two = cluster.Submit(run_file);
  cluster.StartWorker(0);
  cluster.StartWorker(1);
  const pb::Run first = Finish(cluster, one);
  const pb::Run second = Finish(cluster, two);
  ASSERT_EQ(first.tasks_size(), second.tasks_size());
  EXPECT_EQ(first.result_digest(), second.result_digest());
  std::map<std::string, int> attempts;
  for (const pb::Run* run : {&first, &second}) {
    for (const pb::Task& task : run->tasks()) attempts[task.key()] = task.attempts();
  }
  EXPECT_EQ(static_cast<int>(attempts.size()), first.tasks_size()) << "the two runs have different tasks";
  for (const auto& [key, count] : attempts) EXPECT_EQ(count, 1) << key;
}

TEST(SharingTest, ACoordinatorThatLostItsDatabaseExecutesNothingAgain) {
  TemporaryDirectory directory;
  const std::string run_file = WriteSmallRun(directory.path(), "amnesia", {});
  std::string digest;
  {
    Cluster cluster(directory.path(), {});
    cluster.StartAll();
    digest = Finish(cluster, cluster.Submit(run_file)).result_digest();
  }
  std::filesystem::remove_all(directory.path() + "/coordinator");
  Cluster cluster(directory.path(), {});
  cluster.StartAll();
  const pb::Run again = Finish(cluster, cluster.Submit(run_file));
  EXPECT_EQ(again.result_digest(), digest);
  EXPECT_EQ(Executed(again, ""), 0) << "results in the object store were not used";
}

TEST(SharingTest, RunsThatDifferInTheirRecipeShareTheFullPrecisionChain) {
  TemporaryDirectory directory;
  Cluster cluster(directory.path(), {});
  cluster.StartAll();
  const pb::Run two_bits = Finish(cluster, cluster.Submit(WriteSmallRun(directory.path(), "w2", {})));
  SmallRun three;
  three.wbits = 3;
  const pb::Run three_bits = Finish(cluster, cluster.Submit(WriteSmallRun(directory.path(), "w3", three)));
  EXPECT_NE(two_bits.result_digest(), three_bits.result_digest());
  // Tokens, embedding and the whole full-precision chain do not depend on the recipe.
  EXPECT_EQ(Executed(three_bits, "tokenize"), 0);
  EXPECT_EQ(Executed(three_bits, "embed"), 0);
  EXPECT_EQ(Executed(three_bits, "advance"), 3) << "only the quantized chain";
  EXPECT_EQ(Executed(three_bits, "train_block"), 4);
}

TEST(SharingTest, TheFullPrecisionChainIsExecutedOnceForARunAnotherRecipeAndOneThatComesWhileTheFirstRuns) {
  TemporaryDirectory directory;
  Cluster cluster(directory.path(), {});
  cluster.StartAll();
  const std::string first_id = cluster.Submit(WriteSmallRun(directory.path(), "first", {}));
  SmallRun relay;
  relay.extra = "handoff: relay\nrelay_epochs: 0.5\n";
  std::string during_id;
  const StatusOr<pb::Run> first = cluster.Wait(first_id, kDeadlineSeconds, [&](const pb::Run& state) {
    if (!during_id.empty() || state.tasks_done() < 2 || state.state() != pb::RUN_STATE_RUNNING) return;
    during_id = cluster.Submit(WriteSmallRun(directory.path(), "during", relay));
  });
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_FALSE(during_id.empty()) << "the first run ended before another could come";
  const pb::Run during = Finish(cluster, during_id);
  SmallRun measuring;
  measuring.wbits = 3;
  measuring.extra = "layer_ordering: sensitivity\nsensitivity_samples: 8\n";
  const pb::Run after = Finish(cluster, cluster.Submit(WriteSmallRun(directory.path(), "after", measuring)));
  std::map<std::string, int> attempts;
  for (const pb::Run* run : {&*first, &during, &after}) {
    for (const pb::Task& task : run->tasks()) {
      if (task.title().starts_with("advance full-precision")) attempts[task.title()] += task.attempts();
    }
  }
  EXPECT_EQ(attempts.size(), 4u);
  // Each run shows the one task; its attempts are counted once a run.
  for (const auto& [title, count] : attempts) EXPECT_EQ(count, 3) << title;
  for (const pb::Run* run : {&during, &after}) {
    for (const pb::Task& task : run->tasks()) {
      EXPECT_TRUE(!task.title().starts_with("advance full-precision") || task.from_cache()) << task.title();
    }
  }
}

TEST(SharingTest, ScoresAndTablesAreTheSameBytesWithOneTwoAndFourWorkers) {
  TemporaryDirectory directory;
  for (const char* metric : {"fisher", "gradient", "output_fisher", "loss_delta", "hessian"}) {
    SmallRun measuring;
    measuring.method = "sensitivity";
    measuring.extra = absl::StrCat("sensitivity_metric: ", metric,
                                   "\nsensitivity_samples: 8\nsensitivity_shard_samples: 2\nhessian_probes: 2\n"
                                   "sensitivity_bits: 2,4\n");
    const std::string run_file = WriteSmallRun(directory.path(), metric, measuring);
    std::map<std::string, int> digests;
    for (const int workers : {1, 2, 4}) {
      const std::string home = absl::StrCat(directory.path(), "/", metric, "-", workers);
      std::filesystem::create_directories(home);
      ClusterOptions options;
      options.workers = workers;
      Cluster cluster(home, options);
      cluster.StartAll();
      const pb::Run run = Finish(cluster, cluster.Submit(run_file));
      ++digests[run.result_digest()];
      ASSERT_EQ(run.sensitivity_size(), 1);
      EXPECT_EQ(run.sensitivity(0).scores_size(), 4);
    }
    EXPECT_EQ(digests.size(), 1u) << metric;
  }
}

}  // namespace
}  // namespace lwq::test
