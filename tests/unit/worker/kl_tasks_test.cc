// SPDX-License-Identifier: Apache-2.0
// A quantized model beside the full-precision one, as a run's tasks compare them: reference and comparison by shard,
// then their reduction.
#include <cmath>

#include "gmock/gmock.h"
#include "tests/unit/worker/tasks_fixture.h"
#include "worker/tasks/window_divergences.h"

namespace lwq::worker {
namespace {

using ::testing::HasSubstr;
using Inputs = std::map<std::string, ArtifactRef>;

class KlTasksTest : public TasksTest {
 protected:
  void SetUp() override {
    TasksTest::SetUp();
    tokens_ = Tokens(32);
  }
  ArtifactRef Tokens(int64_t seqlen) {
    return Run(TaskKind::kTokenize, TokenizeParams{.mode = "stream", .seqlen = seqlen}.ToJson(),
               {{"tokenizer", model_}, {"text", text_}})
        .outputs.at("tokens");
  }
  // Every block rounded to this many bits.
  Inputs Rounded(int bits) {
    Inputs blocks;
    for (int64_t block = 0; block < kBlocks; ++block) {
      blocks[absl::StrCat("block.", block)] =
          Run(TaskKind::kRtnBlock, RtnBlockParams{.block = block, .bits = bits, .group_size = 32}.ToJson(),
              {{"model", model_}})
              .outputs.at("block");
    }
    return blocks;
  }
  TaskResult Reference(int64_t shard, int64_t shards) {
    return Run(TaskKind::kEvaluateReference, EvaluateReferenceParams{2, shard, shards}.ToJson(),
               {{"model", model_}, {"tokens", tokens_}});
  }
  Inputs ComparisonInputs(const Inputs& blocks, const ArtifactRef& reference) {
    Inputs inputs = blocks;
    inputs.insert({{"model", model_}, {"tokens", tokens_}, {"reference", reference}});
    return inputs;
  }

  // What a run measures of the model with these blocks.
  struct Measurements {
    Json kl, perplexity, reference_perplexity;  // metrics of the reductions
  };
  Measurements Compare(const Inputs& blocks, int64_t shards) {
    Inputs divergences, losses, reference_losses;
    for (int64_t shard = 0; shard < shards; ++shard) {
      const TaskResult reference = Reference(shard, shards);
      const TaskResult compared = Run(TaskKind::kEvaluateKl, EvaluateKlParams{2, shard, shards}.ToJson(),
                                      ComparisonInputs(blocks, reference.outputs.at("hidden")));
      EXPECT_EQ(compared.metrics, reference.metrics) << "the same windows";
      reference_losses[absl::StrCat("losses.", shard)] = reference.outputs.at("losses");
      losses[absl::StrCat("losses.", shard)] = compared.outputs.at("losses");
      divergences[absl::StrCat("divergences.", shard)] = compared.outputs.at("divergences");
    }
    return {Run(TaskKind::kReduceKl, ReduceKlParams{shards}.ToJson(), divergences).metrics,
            Run(TaskKind::kReducePpl, ReducePplParams{shards}.ToJson(), losses).metrics,
            Run(TaskKind::kReducePpl, ReducePplParams{shards}.ToJson(), reference_losses).metrics};
  }
  // kl_divergence and top1_agreement.
  static std::vector<Measured> MeasuredIn(const Json& metrics) {
    const auto measured = MeasuredOf(metrics);
    LWQ_CHECK(measured.ok() && measured->size() == 2, metrics.dump());
    return *measured;
  }

  ArtifactRef tokens_;
};

TEST_F(KlTasksTest, AModelHasADivergenceOfExactlyZeroFromItself) {
  const std::vector<Measured> measured = MeasuredIn(Compare({}, 1).kl);
  EXPECT_EQ(measured[0].metric, "kl_divergence");
  EXPECT_EQ(measured[0].value, 0);
  EXPECT_EQ(measured[0].standard_error, 0.0);
  EXPECT_EQ(measured[1].metric, "top1_agreement");
  EXPECT_EQ(measured[1].value, 1);
  EXPECT_EQ(measured[1].standard_error, 0.0);
}

TEST_F(KlTasksTest, FewerBitsAreFartherAwayAndAgreeLess) {
  const std::vector<Measured> eight = MeasuredIn(Compare(Rounded(8), 1).kl),
                              two = MeasuredIn(Compare(Rounded(2), 1).kl);
  EXPECT_GT(eight[0].value, 0);
  EXPECT_GT(two[0].value, 20 * eight[0].value);
  EXPECT_GT(*two[0].standard_error, *eight[0].standard_error);
  EXPECT_LT(two[1].value, eight[1].value);
  EXPECT_EQ(two[0].count % 31, 0) << "31 predicted tokens a window";
  EXPECT_EQ(two[0].count, two[1].count);
}

TEST_F(KlTasksTest, WhatIsMeasuredIsTheSameToTheLastBitHoweverManyShards) {
  const Inputs blocks = Rounded(3);
  const Measurements whole = Compare(blocks, 1);
  ASSERT_GT(whole.kl["windows"], 20);
  for (const int64_t shards : {2, 3, 8, 100}) {
    const Measurements cut = Compare(blocks, shards);
    EXPECT_EQ(cut.kl, whole.kl) << shards;
    EXPECT_EQ(cut.perplexity, whole.perplexity) << shards;
    EXPECT_EQ(cut.reference_perplexity, whole.reference_perplexity) << shards;
  }
}

TEST_F(KlTasksTest, TheirLossesAreThoseOfAnEvaluationWithoutAComparisonToTheLastBit) {
  const Inputs blocks = Rounded(3);
  const Measurements compared = Compare(blocks, 2);
  Inputs inputs = {{"model", model_}, {"tokens", tokens_}};
  EXPECT_EQ(compared.reference_perplexity, Evaluate(inputs));
  inputs.insert(blocks.begin(), blocks.end());
  EXPECT_EQ(compared.perplexity, Evaluate(inputs));
}

TEST_F(KlTasksTest, WhatDoesNotExistOrDoesNotBelongTogetherIsRefusedInOneLine) {
  const auto refused = [&](TaskKind kind, const Json& params, const Inputs& inputs) {
    const Status status = Try(kind, params, inputs).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(MessageOf(status).find('\n'), std::string_view::npos);
    return std::string(MessageOf(status));
  };
  const ArtifactRef hidden = Reference(0, 4).outputs.at("hidden");
  const Inputs inputs = ComparisonInputs({}, hidden);
  EXPECT_THAT(refused(TaskKind::kEvaluateReference, EvaluateReferenceParams{2, 4, 4}.ToJson(), inputs),
              HasSubstr("evaluate_reference of shard 4 of 4"));
  EXPECT_THAT(refused(TaskKind::kEvaluateKl, EvaluateKlParams{0, 0, 1}.ToJson(), inputs),
              HasSubstr("with micro_batch 0 does not exist"));
  EXPECT_THAT(refused(TaskKind::kEvaluateKl, EvaluateKlParams{2, 0, 2}.ToJson(), inputs),
              HasSubstr("the reference must be float32 hidden states of the"))
      << "a fourth of the windows for a half of them";
  EXPECT_THAT(refused(TaskKind::kEvaluateKl, EvaluateKlParams{2, 0, 4}.ToJson(), ComparisonInputs({}, tokens_)),
              HasSubstr("the reference must be float32 hidden states"));
  Inputs without = inputs;
  without.erase("reference");
  EXPECT_TRUE(absl::IsInternal(Try(TaskKind::kEvaluateKl, EvaluateKlParams{2, 0, 4}.ToJson(), without).status()));

  const auto divergences = [&] {
    return Run(TaskKind::kEvaluateKl, EvaluateKlParams{2, 0, 4}.ToJson(),
               ComparisonInputs({}, Reference(0, 4).outputs.at("hidden")))
        .outputs.at("divergences");
  };
  const ArtifactRef of_32 = divergences();
  tokens_ = Tokens(64);
  EXPECT_THAT(refused(TaskKind::kReduceKl, ReduceKlParams{2}.ToJson(),
                      {{"divergences.0", of_32}, {"divergences.1", divergences()}}),
              HasSubstr("shard 1 has windows of 64 tokens, those before of 32"));
  EXPECT_THAT(refused(TaskKind::kReduceKl, ReduceKlParams{0}.ToJson(), {}), HasSubstr("there are no divergences"));
  EXPECT_TRUE(
      absl::IsDataLoss(Try(TaskKind::kReduceKl, ReduceKlParams{1}.ToJson(), {{"divergences.0", hidden}}).status()));
}

TEST_F(KlTasksTest, AModelWhoseLogitsAreNotFiniteHasNoDivergence) {
  const ArtifactRef hidden = Reference(0, 4).outputs.at("hidden");
  Inputs inputs = ComparisonInputs({}, hidden);
  inputs["model"] = ModelWithFinalNorm(directory_.path() + "/nan", std::nanf(""));
  const Status status = Try(TaskKind::kEvaluateKl, EvaluateKlParams{2, 0, 4}.ToJson(), inputs).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("are not finite"));
}

TEST_F(KlTasksTest, ACancelledComparisonStops) {
  const Inputs inputs = ComparisonInputs({}, Reference(0, 4).outputs.at("hidden"));
  cancel_.cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(Try(TaskKind::kEvaluateKl, EvaluateKlParams{2, 0, 4}.ToJson(), inputs).status()));
  EXPECT_TRUE(
      absl::IsCancelled(Try(TaskKind::kEvaluateReference, EvaluateReferenceParams{2, 0, 4}.ToJson(), inputs).status()));
}

class WindowDivergencesTest : public ::testing::Test {
 protected:
  std::unique_ptr<ObjectStore> objects_ = *OpenObjectStore("memory:");
  ArtifactStore store_{objects_.get()};
  // Of two windows with three predicted tokens each: 1, 2, 3 and 0, 0, 0.
  WindowDivergences sample_{.seqlen = 4, .windows = {{6, 14, 1}, {0, 0, 3}}};
};

TEST_F(WindowDivergencesTest, ComeToTheMeanOverAllTokensWithItsStandardError) {
  const std::vector<Measured> measured = MeasuresOf(sample_);
  ASSERT_EQ(measured.size(), 2u);
  EXPECT_EQ(measured[0].value, 1);
  EXPECT_EQ(measured[0].count, 6);
  // Squares about the mean: 0, 1, 4, 1, 1, 1.
  EXPECT_DOUBLE_EQ(*measured[0].standard_error, std::sqrt(8.0 / 5 / 6));
  EXPECT_DOUBLE_EQ(measured[1].value, 4.0 / 6);
  EXPECT_DOUBLE_EQ(*measured[1].standard_error, std::sqrt(4.0 / 6 * 2 / 6 / 5));
  EXPECT_FALSE(MeasuresOf({.seqlen = 2, .windows = {{0.5, 0.25, 1}}})[0].standard_error.has_value())
      << "one token has no spread";
}

TEST_F(WindowDivergencesTest, ComeBackAsTheyWereAndOthersAreDataLoss) {
  const auto published = PublishWindowDivergences(store_, sample_);
  ASSERT_TRUE(published.ok()) << published.status();
  const auto read = LoadWindowDivergences(store_, *published);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->seqlen, 4);
  EXPECT_EQ(read->windows, sample_.windows);
  EXPECT_TRUE(LoadWindowDivergences(store_, *PublishWindowDivergences(store_, {4, {}}))->windows.empty());
  const auto is_data_loss = [&](const Manifest& manifest) {
    return absl::IsDataLoss(LoadWindowDivergences(store_, *store_.Publish(manifest)).status());
  };
  const Manifest good = *LoadManifest(store_, *published);
  EXPECT_FALSE(is_data_loss(good));
  Manifest more = good, other = good, fewer = good, short_windows = good;
  more.meta["windows"] = 3;
  other.kind = "window_losses";
  fewer.parts.pop_back();
  short_windows.meta["seqlen"] = 1;
  for (const Manifest& bad : {more, other, fewer, short_windows}) EXPECT_TRUE(is_data_loss(bad));
  for (const qat::WindowDivergence& impossible :
       {qat::WindowDivergence{-1, 1, 0}, {std::nan(""), 0, 0}, {1, INFINITY, 0}, {0, 0, 4}, {0, 0, -1}}) {
    EXPECT_TRUE(
        absl::IsDataLoss(LoadWindowDivergences(store_, *PublishWindowDivergences(store_, {4, {impossible}})).status()));
  }
}

}  // namespace
}  // namespace lwq::worker
