// SPDX-License-Identifier: Apache-2.0
// KL(p ‖ q) of next-token distributions on small random heads, against its definition.
#include "worker/qat/model/head_divergence.h"

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/model/llama_model.h"

namespace lwq::qat {
namespace {

struct RandomHead {
  explicit RandomHead(int64_t vocab) {
    config = RandomConfig({.vocab = vocab});
    head = {.final_norm = RandomTensor({config.hidden_size}, 1),
            .lm_head = RandomTensor({vocab, config.hidden_size}, 2)};
  }
  at::Tensor States(int64_t seqlen, uint64_t seed) const { return RandomTensor({seqlen, config.hidden_size}, seed); }
  at::Tensor LogitsOf(const at::Tensor& states) const {
    return Logits(config, head.final_norm, head.lm_head, states.narrow(0, 0, states.size(0) - 1));
  }
  LlamaConfig config;
  HeadTensors head;
};

// Word by word, in plain float64.
WindowDivergence ByDefinition(const at::Tensor& reference_logits, const at::Tensor& logits) {
  WindowDivergence expected;
  const auto log_softmax = [](const float* row, int64_t words) {
    double largest = row[0], sum = 0;
    for (int64_t w = 0; w < words; ++w) largest = std::max<double>(largest, row[w]);
    for (int64_t w = 0; w < words; ++w) sum += std::exp(row[w] - largest);
    std::vector<double> logs;
    for (int64_t w = 0; w < words; ++w) logs.push_back(row[w] - largest - std::log(sum));
    return logs;
  };
  const int64_t words = logits.size(1);
  for (int64_t row = 0; row < logits.size(0); ++row) {
    const std::vector<double> p = log_softmax(reference_logits.data_ptr<float>() + row * words, words);
    const std::vector<double> q = log_softmax(logits.data_ptr<float>() + row * words, words);
    double kl = 0;
    size_t best_p = 0, best_q = 0;
    for (size_t w = 0; w < p.size(); ++w) {
      kl += std::exp(p[w]) * (p[w] - q[w]);
      if (p[w] > p[best_p]) best_p = w;
      if (q[w] > q[best_q]) best_q = w;
    }
    expected.sum += kl;
    expected.square_sum += kl * kl;
    expected.agreements += best_p == best_q ? 1 : 0;
  }
  return expected;
}

TEST(SampleDivergenceTest, IsTheSumOfPTimesTheDifferenceOfTheLogarithmsOverPredictedTokens) {
  const RandomHead model(64);
  const at::Tensor reference = model.States(9, 3);
  for (const double apart : {1e-3, 0.3, 3.0}) {
    const at::Tensor states = reference.add(model.States(9, 4), apart);
    const WindowDivergence found = SampleDivergence(model.config, model.head, reference, states);
    const WindowDivergence expected = ByDefinition(model.LogitsOf(reference), model.LogitsOf(states));
    EXPECT_NEAR(found.sum, expected.sum, 1e-12 + 1e-10 * expected.sum) << apart;
    EXPECT_NEAR(found.square_sum, expected.square_sum, 1e-12 + 1e-10 * expected.square_sum) << apart;
    EXPECT_EQ(found.agreements, expected.agreements) << apart;
    EXPECT_GT(found.sum, 0);
  }
}

TEST(SampleDivergenceTest, IsFromTheReferenceToTheModelAndNotTheOtherWayRound) {
  const RandomHead model(64);
  const at::Tensor a = model.States(9, 3), b = model.States(9, 4);
  const double forward = SampleDivergence(model.config, model.head, a, b).sum;
  const double backward = SampleDivergence(model.config, model.head, b, a).sum;
  EXPECT_NEAR(forward, ByDefinition(model.LogitsOf(a), model.LogitsOf(b)).sum, 1e-9);
  EXPECT_GT(std::abs(forward - backward), 1e-3);
}

TEST(SampleDivergenceTest, IsExactlyZeroForEqualStatesAndEveryTokenAgrees) {
  const RandomHead model(64);
  const at::Tensor states = model.States(9, 3);
  EXPECT_EQ(SampleDivergence(model.config, model.head, states, states), (WindowDivergence{0, 0, 8}));
}

TEST(SampleDivergenceTest, TheStateThatPredictsNothingDoesNotCount) {
  const RandomHead model(64);
  const at::Tensor reference = model.States(9, 3);
  at::Tensor states = reference.clone();
  states[8].mul_(-3);
  EXPECT_EQ(SampleDivergence(model.config, model.head, reference, states), (WindowDivergence{0, 0, 8}));
}

TEST(SampleDivergenceTest, AWordThatTheReferenceNeverSaysCountsNothing) {
  // Logits of ±1e5: softmaxes are 0 and 1 to the last bit.
  LlamaConfig config = RandomConfig({.vocab = 2});
  const HeadTensors head{.final_norm = at::zeros({config.hidden_size}).add_(1e5),
                         .lm_head = at::zeros({2, config.hidden_size})};
  head.lm_head[0][0] = 1;
  head.lm_head[1][0] = -1;
  at::Tensor sure = at::zeros({2, config.hidden_size}), same = at::zeros({2, config.hidden_size});
  sure.select(1, 0).fill_(1);
  same.select(1, 0).fill_(2);
  const WindowDivergence agreed = SampleDivergence(config, head, sure, same);
  EXPECT_EQ(agreed, (WindowDivergence{0, 0, 1}));
  const WindowDivergence opposed = SampleDivergence(config, head, sure, same.neg());
  EXPECT_TRUE(std::isfinite(opposed.sum)) << "far apart is a number";
  EXPECT_GT(opposed.sum, 1e5);
  EXPECT_EQ(opposed.agreements, 0);
}

TEST(SampleDivergenceTest, SlicesOfTokensGiveWhatEachTokenGives) {
  const RandomHead model(kLogitElements / 3);  // three tokens a slice
  const at::Tensor reference = model.States(6, 3), states = model.States(6, 4);
  WindowDivergence one_by_one;
  for (int64_t row = 0; row < 5; ++row) {
    const WindowDivergence one =
        SampleDivergence(model.config, model.head, reference.narrow(0, row, 2), states.narrow(0, row, 2));
    one_by_one.sum += one.sum;
    one_by_one.agreements += one.agreements;
  }
  const WindowDivergence whole = SampleDivergence(model.config, model.head, reference, states);
  EXPECT_NEAR(whole.sum, one_by_one.sum, 1e-5 * whole.sum);
  EXPECT_EQ(whole.agreements, one_by_one.agreements);
}

}  // namespace
}  // namespace lwq::qat
