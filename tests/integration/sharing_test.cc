// SPDX-License-Identifier: Apache-2.0
// Equal key, executed once: across runs, across stores, and while both run.
#include <filesystem>
#include <map>
#include <set>

#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

TEST(SharingTest, TwoRunsOnSeparateStoresHaveEqualDigestsAndAThirdOnTheFirstStoreExecutesNothing) {
  TemporaryDirectory directory;
  const std::string run_file = WriteSmallRun(directory.path(), "same", {});
  std::filesystem::create_directories(directory.path() + "/a");
  std::filesystem::create_directories(directory.path() + "/b");
  Cluster a(directory.path() + "/a", {});
  a.StartAll();
  const pb::Run first = a.Finish(a.Submit(run_file));
  Cluster b(directory.path() + "/b", {});
  b.StartAll();
  const pb::Run second = b.Finish(b.Submit(run_file));
  EXPECT_EQ(first.result_digest(), second.result_digest());
  EXPECT_EQ(first.export_().digest(), second.export_().digest());
  ASSERT_EQ(first.measured_size(), second.measured_size());
  for (int i = 0; i < first.measured_size(); ++i) {
    EXPECT_EQ(first.measured(i).value(), second.measured(i).value());
  }
  EXPECT_EQ(Executed(first, "train_block"), 4);

  const pb::Run third = a.Finish(a.Submit(run_file));
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
  const pb::Run first = cluster.Finish(one);
  const pb::Run second = cluster.Finish(two);
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
    digest = cluster.Finish(cluster.Submit(run_file)).result_digest();
  }
  std::filesystem::remove_all(directory.path() + "/coordinator");
  Cluster cluster(directory.path(), {});
  cluster.StartAll();
  const pb::Run again = cluster.Finish(cluster.Submit(run_file));
  EXPECT_EQ(again.result_digest(), digest);
  EXPECT_EQ(Executed(again, ""), 0) << "results in the object store were not used";
}

TEST(SharingTest, RunsThatDifferInTheirRecipeShareTheFullPrecisionChain) {
  TemporaryDirectory directory;
  Cluster cluster(directory.path(), {});
  cluster.StartAll();
  const pb::Run two_bits = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "w2", {})));
  SmallRun three;
  three.wbits = 3;
  const pb::Run three_bits = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "w3", three)));
  EXPECT_NE(two_bits.result_digest(), three_bits.result_digest());
  // Tokens, embedding and the whole full-precision chain do not depend on the recipe.
  EXPECT_EQ(Executed(three_bits, "tokenize"), 0);
  EXPECT_EQ(Executed(three_bits, "embed"), 0);
  EXPECT_EQ(Executed(three_bits, "advance"), 3) << "only the quantized chain";
  EXPECT_EQ(Executed(three_bits, "train_block"), 4);
}

TEST(SharingTest, ScalesAreSearchedOnceForRunsOfOtherWidthsAndMethods) {
  TemporaryDirectory directory;
  Cluster cluster(directory.path(), {});
  cluster.StartAll();
  SmallRun prepared;
  prepared.extra = "prepare: awq\n";
  const pb::Run plain = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "plain", {})));
  const pb::Run two_bits = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "w2", prepared)));
  EXPECT_NE(two_bits.result_digest(), plain.result_digest());
  EXPECT_EQ(Executed(two_bits, "search_scales"), 4);
  EXPECT_EQ(Executed(two_bits, "advance"), 3) << "only the quantized chain: the other is the model's as it is";
  prepared.wbits = 3;
  const pb::Run three_bits = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "w3", prepared)));
  EXPECT_EQ(Executed(three_bits, "search_scales"), 0);
  EXPECT_EQ(Executed(three_bits, "train_block"), 4);
  prepared.method = "rtn";
  const pb::Run rounded = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "rtn", prepared)));
  EXPECT_EQ(Executed(rounded, "search_scales"), 0);
  EXPECT_EQ(Executed(rounded, "rtn_block"), 4);
}

TEST(SharingTest, AGptqRunReadsTheTrainingsChainAndTrainingsOfOtherRatesShareTheirStart) {
  TemporaryDirectory directory;
  Cluster cluster(directory.path(), {});
  cluster.StartAll();
  SmallRun trained;
  trained.extra = "handoff: independent\ninit: gptq\n";
  const pb::Run from_gptq = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "from-gptq", trained)));
  EXPECT_EQ(Executed(from_gptq, "gptq_block"), 4);
  EXPECT_EQ(Executed(from_gptq, "train_block"), 4);
  trained.epochs = 1;
  const pb::Run shorter = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "shorter", trained)));
  EXPECT_EQ(Executed(shorter, "gptq_block"), 0);
  EXPECT_EQ(Executed(shorter, "train_block"), 4);
  SmallRun rounded;
  rounded.method = "gptq";
  const pb::Run quantized = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "gptq", rounded)));
  EXPECT_EQ(Executed(quantized, "tokenize"), 0);
  EXPECT_EQ(Executed(quantized, "embed"), 0);
  EXPECT_EQ(Executed(quantized, "gptq_block"), 4);
  EXPECT_EQ(Executed(quantized, "advance"), 3) << "only the quantized chain";
  EXPECT_NE(quantized.result_digest(), from_gptq.result_digest());
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
  const pb::Run during = cluster.Finish(during_id);
  SmallRun measuring;
  measuring.wbits = 3;
  measuring.extra = "layer_ordering: sensitivity\nsensitivity_samples: 8\n";
  const pb::Run after = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "after", measuring)));
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

// Orders of a 4-block model: a block that is fed the same in two of them is trained once.
TEST(SharingTest, OrdersShareEveryBlockThatTheyFeedTheSame) {
  TemporaryDirectory directory;
  Cluster cluster(directory.path(), {});
  cluster.StartAll();
  const auto in_order = [&](const std::string& tag, const std::string& scores) {
    SmallRun run;
    run.epochs = 1;
    if (!scores.empty()) {
      WriteFile(absl::StrCat(directory.path(), "/", tag, ".json"),
                absl::StrCat("{\"sensitivity_scores\": [", scores, "]}"));
      run.extra = absl::StrCat("layer_ordering: sensitivity\nsensitivity_file: ", tag, ".json\n");
    }
    return cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), tag, run)));
  };
  const pb::Run original = in_order("original", "");
  const pb::Run swapped = in_order("swapped", "4, 3, 1, 2");    // 0 1 3 2
  const pb::Run reversed = in_order("reversed", "1, 2, 3, 4");  // 3 2 1 0
  SmallRun in_pairs;
  in_pairs.epochs = 1;
  in_pairs.extra = "block_grouping: 2\n";
  const pb::Run pairs = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), "pairs", in_pairs)));

  EXPECT_EQ(Executed(original, "train_block"), 4);
  EXPECT_EQ(Executed(swapped, "train_block"), 1) << "blocks 0, 1 and 2 are fed what the original order feeds them";
  EXPECT_EQ(Executed(swapped, "advance"), 1) << "block 3 before block 2: its input passes the original block 2";
  EXPECT_EQ(Executed(reversed, "train_block"), 3) << "block 0 is fed the embedding in any order";
  EXPECT_EQ(Executed(reversed, "advance"), 0) << "every block is trained on the full-precision chain";
  EXPECT_EQ(Executed(pairs, "train_block"), 2);
  std::set<std::string> keys;
  int executed = 0;
  for (const pb::Run* run : {&original, &swapped, &reversed, &pairs}) {
    executed += Executed(*run, "");
    EXPECT_EQ(Executed(*run, "tokenize") + Executed(*run, "embed"), run == &original ? 3 : 0) << run->spec().name();
    for (const pb::Task& task : run->tasks()) {
      keys.insert(task.key());
      EXPECT_EQ(task.attempts(), 1) << task.title();
    }
  }
  EXPECT_EQ(executed, static_cast<int>(keys.size())) << "each distinct task is executed by one run";
}

TEST(SharingTest, ScoresAndTablesAreTheSameBytesWithOneTwoAndFourWorkers) {
  TemporaryDirectory directory;
  std::map<std::string, std::set<std::string>> digests;  // by metric
  for (const int workers : {1, 2, 4}) {
    const std::string home = absl::StrCat(directory.path(), "/workers-", workers);
    std::filesystem::create_directories(home);
    ClusterOptions options;
    options.workers = workers;
    Cluster cluster(home, options);
    cluster.StartAll();
    for (const char* metric : {"fisher", "gradient", "output_fisher", "loss_delta", "hessian"}) {
      SmallRun measuring;
      measuring.method = "sensitivity";
      measuring.extra = absl::StrCat("sensitivity_metric: ", metric,
                                     "\nsensitivity_samples: 8\nsensitivity_shard_samples: 2\nhessian_probes: 2\n"
                                     "sensitivity_bits: 2,4\n");
      const pb::Run run = cluster.Finish(cluster.Submit(WriteSmallRun(directory.path(), metric, measuring)));
      digests[metric].insert(run.result_digest());
      ASSERT_EQ(run.sensitivity_size(), 1);
      EXPECT_EQ(run.sensitivity(0).scores_size(), 4);
    }
  }
  EXPECT_EQ(digests.size(), 5u);
  for (const auto& [metric, seen] : digests) EXPECT_EQ(seen.size(), 1u) << metric;
}

}  // namespace
}  // namespace lwq::test
