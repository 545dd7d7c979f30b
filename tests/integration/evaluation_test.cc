// SPDX-License-Identifier: Apache-2.0
// The evaluation of a text is cut into shards that workers share: its perplexity is the same to the last bit however it
// is cut, however many workers there are, and whatever was killed meanwhile.
#include <algorithm>
#include <filesystem>
#include <optional>

#include "common/json/json.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

class EvaluationTest : public ::testing::Test {
 protected:
  // Round-to-nearest of the small model, evaluated before and after, in shards of about so many windows.
  std::string RunFile(int shard_windows) {
    SmallRun run;
    run.method = "rtn";
    run.extra = absl::StrCat("eval_shard_windows: ", shard_windows, "\n");
    return WriteSmallRun(directory_.path(), absl::StrCat("shards-of-", shard_windows), run);
  }
  std::string Home(const std::string& name) {
    const std::string home = absl::StrCat(directory_.path(), "/", name);
    std::filesystem::create_directories(home);
    return home;
  }
  // By "model": everything a reduction says of it.
  static Json Measured(const pb::Run& run) {
    Json measured = Json::object();
    for (const pb::Task& task : run.tasks()) {
      if (task.kind() == "reduce_ppl") measured[task.title()] = *ParseJson(task.metrics_json(), "metrics");
    }
    return measured;
  }
  static int Shards(const pb::Run& run) {
    int shards = 0;
    for (const pb::Task& task : run.tasks()) shards += task.kind() == "evaluate_ppl" ? 1 : 0;
    return shards;
  }

  TemporaryDirectory directory_;
};

TEST_F(EvaluationTest, APerplexityIsTheSameWhateverTheShardsAndTheNumberOfWorkers) {
  std::optional<Json> expected;
  for (const int workers : {1, 2}) {
    for (const int shard_windows : {1000, 16, 4}) {
      ClusterOptions options;
      options.workers = workers;
      Cluster cluster(Home(absl::StrCat(workers, "-", shard_windows)), options);
      cluster.StartAll();
      const pb::Run run = cluster.Finish(cluster.Submit(RunFile(shard_windows)));
      EXPECT_EQ(Shards(run), 2 * (shard_windows == 1000 ? 1 : shard_windows == 16 ? 4 : 12));
      EXPECT_EQ(Executed(run, "evaluate_ppl"), Shards(run)) << "each shard is executed once";
      const Json measured = Measured(run);
      ASSERT_EQ(measured.size(), 2u);
      EXPECT_GT(measured["perplexity of fp on heldout"]["windows"], 40);
      if (!expected.has_value()) expected = measured;
      EXPECT_EQ(measured, *expected) << workers << " workers, shards of " << shard_windows;
      ASSERT_EQ(run.measured_size(), 2);
      for (const pb::Measured& one : run.measured()) {
        EXPECT_EQ(one.metric(), "perplexity");
        const Json& metrics = measured[absl::StrCat("perplexity of ", one.subject(), " on ", one.dataset())];
        EXPECT_EQ(one.value(), metrics["measured"][0]["value"]);
        EXPECT_EQ(one.count(), metrics["measured"][0]["count"]);
      }
    }
  }
}

TEST_F(EvaluationTest, AccuraciesAreTheSameWhateverTheShardsAndTheNumberOfWorkers) {
  const std::string items = std::string(LWQ_SOURCE_DIR) + "/tests/fixtures/world/items/";
  std::optional<std::string> expected;
  for (const int workers : {1, 2}) {
    for (const int shard_windows : {1000, 16}) {
      SmallRun run;
      run.method = "rtn";
      run.extra = absl::StrCat("eval_shard_windows: ", shard_windows, "\neval_ppl: false\neval_limit: 20\n",
                               "eval_tasks: {piqa: ", items, "piqa.jsonl, winogrande: ", items, "winogrande.jsonl}\n");
      ClusterOptions options;
      options.workers = workers;
      Cluster cluster(Home(absl::StrCat("tasks-", workers, "-", shard_windows)), options);
      cluster.StartAll();
      const std::string tag = absl::StrCat("tasks-", workers, "-", shard_windows);
      const pb::Run finished = cluster.Finish(cluster.Submit(WriteSmallRun(directory_.path(), tag, run)));
      // Of two models piqa has two accuracies, winogrande one.
      ASSERT_EQ(finished.measured_size(), 6);
      Json all = Json::array();
      for (const pb::Measured& one : finished.measured()) {
        EXPECT_EQ(one.count(), 20);
        EXPECT_TRUE(one.has_standard_error());
        EXPECT_TRUE(one.add_bos());
        all.push_back({one.subject(), one.dataset(), one.metric(), one.value(), one.standard_error()});
      }
      for (const pb::Task& task : finished.tasks()) {
        if (task.kind() == "reduce_accuracy") all.push_back(task.outputs().at("lines").digest());
      }
      EXPECT_EQ(all.size(), 10u) << "and the lines of four reductions";
      if (!expected.has_value()) expected = all.dump();
      EXPECT_EQ(all.dump(), *expected) << workers << " workers, shards of " << shard_windows;
    }
  }
}

TEST_F(EvaluationTest, DivergencesAreTheSameWhateverTheShardsAndASweepsRunsShareOneReference) {
  std::optional<std::string> expected;
  for (const int shard_windows : {1000, 16}) {
    Cluster cluster(Home(absl::StrCat("kl-", shard_windows)), {});
    cluster.StartAll();
    SmallRun run;
    run.method = "rtn";
    run.extra = absl::StrCat("eval_kl: true\neval_shard_windows: ", shard_windows, "\n");
    const auto finish = [&](const std::string& tag) {
      return cluster.Finish(cluster.Submit(WriteSmallRun(directory_.path(), tag + std::to_string(shard_windows), run)));
    };
    const pb::Run two_bits = finish("kl-w2-");
    const int shards = shard_windows == 1000 ? 1 : 4;
    EXPECT_EQ(Executed(two_bits, "evaluate_reference"), shards);
    EXPECT_EQ(Executed(two_bits, "evaluate_kl"), shards);
    EXPECT_EQ(Executed(two_bits, "evaluate_ppl"), 0) << "each model passes over the text once";
    Json all = Json::array();
    for (const pb::Measured& one : two_bits.measured()) {
      all.push_back({one.subject(), one.metric(), one.value(), one.standard_error(), one.count()});
    }
    ASSERT_EQ(all.size(), 4u) << "two perplexities, a divergence and an agreement";
    if (!expected.has_value()) expected = all.dump();
    EXPECT_EQ(all.dump(), *expected) << "shards of " << shard_windows;
    run.wbits = 4;
    const pb::Run four_bits = finish("kl-w4-");
    EXPECT_EQ(Executed(four_bits, "evaluate_reference"), 0) << "the same model on the same text";
    EXPECT_EQ(Executed(four_bits, "evaluate_kl"), shards);
    const auto divergence = [](const pb::Run& of) {
      for (const pb::Measured& one : of.measured()) {
        if (one.metric() == "kl_divergence") return one.value();
      }
      return -1.0;
    };
    EXPECT_GT(divergence(four_bits), 0);
    EXPECT_GT(divergence(two_bits), divergence(four_bits));
  }
}

TEST_F(EvaluationTest, LastWordsAndWholeDocumentsAreTheSameWhateverTheShards) {
  const std::string items = std::string(LWQ_SOURCE_DIR) + "/tests/numerics/golden/eval_tasks/items/";
  std::optional<std::string> expected;
  for (const int shard_windows : {1000, 4}) {
    SmallRun run;
    run.method = "rtn";
    run.extra = absl::StrCat("eval_shard_windows: ", shard_windows, "\neval_ppl: false\neval_fp: false\n",
                             "eval_tasks: {lambada_openai: ", items, "lambada_openai.jsonl, wikitext: ", items,
                             "wikitext.jsonl}\n");
    const std::string tag = absl::StrCat("documents-", shard_windows);
    Cluster cluster(Home(tag), {});
    cluster.StartAll();
    const pb::Run finished = cluster.Finish(cluster.Submit(WriteSmallRun(directory_.path(), tag, run)));
    Json all = Json::array();
    for (const pb::Measured& one : finished.measured()) {
      all.push_back({one.dataset(), one.metric(), one.value(), one.has_standard_error(), one.count()});
    }
    ASSERT_EQ(all.size(), 5u);
    EXPECT_EQ(all[0][1], "perplexity");
    EXPECT_EQ(all[2][1], "word_perplexity");
    if (!expected.has_value()) expected = all.dump();
    EXPECT_EQ(all.dump(), *expected) << "shards of " << shard_windows;
  }
}

TEST_F(EvaluationTest, EvalPrintsAccuraciesAndDumpsEveryRequest) {
  const std::string fixtures = std::string(LWQ_SOURCE_DIR) + "/tests/fixtures";
  const std::string items = fixtures + "/world/items/";
  const std::string dump = directory_.path() + "/requests.jsonl";
  const Finished done = RunToEnd({Binary("lwq"), "eval", "--local", "--json", "--model", fixtures + "/model", "--tasks",
                                  "arc_easy=" + items + "arc_easy.jsonl,hellaswag=" + items + "hellaswag.jsonl",
                                  "--eval_limit", "5", "--precision", "fp32", "--dump-requests", dump},
                                 directory_.path());
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const auto run = ParseJson(done.out, "run");
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ((*run)["measured"].size(), 4u);
  EXPECT_EQ((*run)["measured"][0]["dataset"], "arc_easy");
  EXPECT_EQ((*run)["measured"][0]["metric"], "acc");
  const std::string lines = ReadFileOrEmpty(dump);
  EXPECT_GE(std::count(lines.begin(), lines.end(), '\n'), 40) << "ten items of four choices at least";
  const auto first = ParseJson(lines.substr(0, lines.find('\n')), "line");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)["context_ids"][0], 1) << "the BOS of the tokenizer";
  EXPECT_LT((*first)["log_likelihood"], 0);
}

TEST_F(EvaluationTest, KillsBetweenShardsLeaveThePerplexityAndRepeatNoShardThatWasDone) {
  Json expected;
  {
    Cluster undisturbed(Home("reference"), {});
    undisturbed.StartAll();
    expected = Measured(undisturbed.Finish(undisturbed.Submit(RunFile(1))));
  }
  for (int victim = 0; victim < 3; ++victim) {
    SCOPED_TRACE(victim == 0 ? "coordinator" : absl::StrCat("worker ", victim));
    Cluster cluster(Home(absl::StrCat("victim-", victim)), {});
    cluster.StartAll();
    bool killed = false;
    const StatusOr<pb::Run> run = cluster.Wait(cluster.Submit(RunFile(1)), kDeadlineSeconds, [&](const pb::Run& state) {
      const auto shards_done = std::count_if(state.tasks().begin(), state.tasks().end(), [](const pb::Task& task) {
        return task.kind() == "evaluate_ppl" && task.state() == pb::TASK_STATE_SUCCEEDED;
      });
      if (killed || shards_done < 3) return;
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
    EXPECT_EQ(Measured(*run), expected);
    int repeated = 0;
    for (const pb::Task& task : run->tasks()) repeated += std::max(0, task.attempts() - 1);
    EXPECT_LE(repeated, 2) << "only what was being executed when it was killed";
  }
}

TEST_F(EvaluationTest, ATextThatWasEvaluatedIsNotEvaluatedAgain) {
  Cluster cluster(Home("cached"), {});
  cluster.StartAll();
  const pb::Run first = cluster.Finish(cluster.Submit(RunFile(4)));
  const pb::Run second = cluster.Finish(cluster.Submit(RunFile(4)));
  EXPECT_EQ(Executed(second, ""), 0);
  EXPECT_EQ(Measured(second), Measured(first));
}

}  // namespace
}  // namespace lwq::test
