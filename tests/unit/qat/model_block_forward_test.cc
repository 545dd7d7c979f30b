// SPDX-License-Identifier: Apache-2.0
// The block's forward pass against a naive one: loops over doubles, one scalar at a time.
#include "worker/qat/model/block_forward.h"

#include <c10/core/GradMode.h>

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/device/cpu_features.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/products.h"
#include "worker/qat/model/rotary_frequencies.h"

namespace lwq::qat {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix FromTensor(const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().to(at::kDouble).contiguous();
  Matrix matrix(values.size(0), std::vector<double>(values.size(1)));
  for (int64_t r = 0; r < values.size(0); ++r) {
    for (int64_t c = 0; c < values.size(1); ++c) matrix[r][c] = values.data_ptr<double>()[r * values.size(1) + c];
  }
  return matrix;
}

// y = x Wᵀ + b
Matrix Apply(const BlockTensors& block, LinearKind kind, const Matrix& x) {
  const Matrix w = FromTensor(block[kind]);
  const at::Tensor& bias = block.bias(kind);
  const std::vector<double> b = bias.defined() ? FromTensor(bias.unsqueeze(0))[0] : std::vector<double>(w.size());
  Matrix y(x.size(), b);
  for (size_t t = 0; t < x.size(); ++t) {
    for (size_t o = 0; o < w.size(); ++o) {
      for (size_t i = 0; i < x[t].size(); ++i) y[t][o] += w[o][i] * x[t][i];
    }
  }
  return y;
}

Matrix Normalize(const Matrix& x, const at::Tensor& weight, double eps) {
  const std::vector<double> w = FromTensor(weight.unsqueeze(0))[0];
  Matrix y = x;
  for (auto& row : y) {
    double squares = 0;
    for (const double value : row) squares += value * value;
    const double rms = std::sqrt(squares / static_cast<double>(row.size()) + eps);
    for (size_t i = 0; i < row.size(); ++i) row[i] = row[i] / rms * w[i];
  }
  return y;
}

// Each head of every row by itself; nothing where there is no such norm.
Matrix NormalizeHeads(Matrix x, const at::Tensor& weight, double eps) {
  if (!weight.defined()) return x;
  const int64_t size = weight.size(0);
  for (auto& row : x) {
    for (auto begin = row.begin(); begin != row.end(); begin += size) {
      const Matrix head = Normalize({std::vector<double>(begin, begin + size)}, weight, eps);
      std::copy(head[0].begin(), head[0].end(), begin);
    }
  }
  return x;
}

// Rotates every head of every row by its position: elements i and i + E/2 are the two coordinates of one plane.
void RotateNaively(Matrix& x, int64_t head_dim, double theta) {
  for (size_t t = 0; t < x.size(); ++t) {
    for (size_t head = 0; head < x[t].size(); head += head_dim) {
      for (int64_t i = 0; i < head_dim / 2; ++i) {
        const double angle =
            static_cast<double>(t) * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
        double& a = x[t][head + i];
        double& b = x[t][head + i + head_dim / 2];
        const double rotated_a = a * std::cos(angle) - b * std::sin(angle);
        b = b * std::cos(angle) + a * std::sin(angle);
        a = rotated_a;
      }
    }
  }
}

Matrix AttendNaively(const LlamaConfig& config, const Matrix& q, const Matrix& k, const Matrix& v) {
  const auto tokens = static_cast<int64_t>(q.size());
  const int64_t e = config.head_dim, group = config.num_attention_heads / config.num_key_value_heads;
  const int64_t window = config.sliding_window.value_or(tokens);
  Matrix out(q.size(), std::vector<double>(q[0].size()));
  for (int64_t head = 0; head < config.num_attention_heads; ++head) {
    for (int64_t t = 0; t < tokens; ++t) {
      std::vector<double> weights;
      double sum = 0;
      const int64_t first = std::max<int64_t>(0, t - window + 1);
      for (int64_t s = first; s <= t; ++s) {
        double score = 0;
        for (int64_t i = 0; i < e; ++i) score += q[t][head * e + i] * k[s][head / group * e + i];
        weights.push_back(std::exp(score / std::sqrt(static_cast<double>(e))));
        sum += weights.back();
      }
      for (int64_t s = first; s <= t; ++s) {
        for (int64_t i = 0; i < e; ++i) out[t][head * e + i] += weights[s - first] / sum * v[s][head / group * e + i];
      }
    }
  }
  return out;
}

Matrix Add(Matrix a, const Matrix& b) {
  for (size_t r = 0; r < a.size(); ++r) {
    for (size_t c = 0; c < a[r].size(); ++c) a[r][c] += b[r][c];
  }
  return a;
}

// One sequence [T, D].
Matrix NaiveBlock(const LlamaConfig& config, const BlockTensors& block, const Matrix& hidden) {
  const Matrix x = Normalize(hidden, block.input_norm, config.rms_norm_eps);
  Matrix q = NormalizeHeads(Apply(block, LinearKind::kQ, x), block.query_norm, config.rms_norm_eps);
  Matrix k = NormalizeHeads(Apply(block, LinearKind::kK, x), block.key_norm, config.rms_norm_eps);
  RotateNaively(q, config.head_dim, config.rope_theta);
  RotateNaively(k, config.head_dim, config.rope_theta);
  const Matrix attention = AttendNaively(config, q, k, Apply(block, LinearKind::kV, x));
  const Matrix attended = Add(hidden, Apply(block, LinearKind::kO, attention));
  const Matrix y = Normalize(attended, block.post_attention_norm, config.rms_norm_eps);
  Matrix gate = Apply(block, LinearKind::kGate, y);
  const Matrix up = Apply(block, LinearKind::kUp, y);
  for (size_t t = 0; t < gate.size(); ++t) {
    for (size_t i = 0; i < gate[t].size(); ++i) gate[t][i] = gate[t][i] / (1 + std::exp(-gate[t][i])) * up[t][i];
  }
  return Add(attended, Apply(block, LinearKind::kDown, gate));
}

double MaxDifference(const at::Tensor& ours, const Matrix& naive) {
  const Matrix values = FromTensor(ours);
  double worst = 0;
  for (size_t r = 0; r < naive.size(); ++r) {
    for (size_t c = 0; c < naive[r].size(); ++c) worst = std::max(worst, std::abs(values[r][c] - naive[r][c]));
  }
  return worst;
}

class BlockForwardTest : public ::testing::Test {
 protected:
  BlockTensors Block(at::ScalarType type = at::kFloat) const {
    BlockTensors block = LoadBlock(config_, RandomBlock(config_, 7), type, at::kCPU);
    if (type == at::kDouble) {
      block.input_norm = block.input_norm.to(type);
      block.post_attention_norm = block.post_attention_norm.to(type);
    }
    return block;
  }
  at::Tensor Hidden(int64_t batch, int64_t tokens) const {
    return RandomTensor({batch, tokens, config_.hidden_size}, 11);
  }
  at::Tensor Run(const BlockTensors& block, const at::Tensor& hidden) const {
    return BlockForward(config_, block, MakeSequenceTables(config_, hidden.size(1), hidden.device()), hidden);
  }

  LlamaConfig config_ = RandomConfig();
  c10::NoGradGuard no_grad_;
};

TEST_F(BlockForwardTest, EverySequenceOfABatchAgreesWithTheNaiveBlock) {
  const at::Tensor hidden = Hidden(3, 17);
  const at::Tensor out = Run(Block(), hidden);
  for (int64_t b = 0; b < 3; ++b) {
    EXPECT_LE(MaxDifference(out[b], NaiveBlock(config_, Block(), FromTensor(hidden[b]))), 2e-5);
  }
}

TEST_F(BlockForwardTest, SequencesLongerThanAChunkOfQueriesAgreeWithTheNaiveBlock) {
  const at::Tensor hidden = Hidden(1, 2 * kQueryChunk + 37);
  EXPECT_LE(MaxDifference(Run(Block(), hidden)[0], NaiveBlock(config_, Block(), FromTensor(hidden[0]))), 5e-5);
}

TEST_F(BlockForwardTest, BiasesAndNormsOfQueriesAndKeysAgreeWithTheNaiveBlock) {
  config_ = RandomConfig({.has_extras = true});
  const at::Tensor hidden = Hidden(1, 23);
  const Matrix naive = NaiveBlock(config_, Block(), FromTensor(hidden[0]));
  EXPECT_LE(MaxDifference(Run(Block(), hidden)[0], naive), 2e-5);
  for (const bool widened : {false, true}) {
    const ScopedWidenedProducts products(widened);
    EXPECT_LE(MaxDifference(Run(Block(at::kBFloat16), hidden)[0], naive), 1e-1) << "bf16, widened " << widened;
  }
  BlockTensors without = Block();
  without.biases = {};
  EXPECT_GT(MaxDifference(Run(without, hidden)[0], naive), 1e-1);
}

TEST_F(BlockForwardTest, ASlidingWindowHidesEverythingBeforeIt) {
  for (const int64_t window : {1, 5, 17, 300, 400, 5000}) {
    config_.sliding_window = window;
    const at::Tensor hidden = Hidden(1, kQueryChunk + 90);
    EXPECT_LE(MaxDifference(Run(Block(), hidden)[0], NaiveBlock(config_, Block(), FromTensor(hidden[0]))), 5e-5)
        << "window " << window;
  }
}

TEST_F(BlockForwardTest, NoTokenSeesALaterOne) {
  const at::Tensor hidden = Hidden(1, 20);
  at::Tensor changed = hidden.clone();
  changed.narrow(1, 12, 8).add_(3);
  EXPECT_TRUE(Run(Block(), hidden).narrow(1, 0, 12).equal(Run(Block(), changed).narrow(1, 0, 12)));
}

TEST_F(BlockForwardTest, WithBf16WeightsTheResidualStreamStaysFloat32) {
  const at::Tensor hidden = Hidden(2, 16);
  const at::Tensor out = Run(Block(at::kBFloat16), hidden);
  EXPECT_EQ(out.scalar_type(), at::kFloat);
  const at::Tensor exact = Run(Block(), hidden);
  const double error = out.sub(exact).norm().item<double>() / exact.norm().item<double>();
  EXPECT_GT(error, 1e-5);  // it did compute in bf16
  EXPECT_LT(error, 1e-2);
}

class WidenedProductsTest : public BlockForwardTest, public ::testing::WithParamInterface<bool> {};

TEST_P(WidenedProductsTest, Bf16ProductsAndTheirGradientsAreTheSameWidenedOrNot) {
  config_ = RandomConfig({.has_extras = GetParam()});
  const auto compute = [&](bool widened) {
    const ScopedWidenedProducts products(widened);
    const c10::AutoGradMode with_grad(true);
    BlockTensors block = Block(at::kBFloat16);
    for (at::Tensor& linear : block.linears) linear.set_requires_grad(true);
    for (at::Tensor& bias : block.biases) {
      if (bias.defined()) bias.set_requires_grad(true);
    }
    const at::Tensor out = Run(block, Hidden(2, 40));
    out.mul(out.detach()).sum().backward();
    std::vector<at::Tensor> results = {out.detach()};
    for (const at::Tensor& linear : block.linears) {
      EXPECT_EQ(linear.grad().scalar_type(), at::kBFloat16);
      results.push_back(linear.grad().to(at::kFloat));
    }
    for (const at::Tensor& bias : block.biases) {
      // A constant in every score: its gradient is rounding.
      if (!bias.defined() || &bias == &block.bias(LinearKind::kK)) continue;
      results.push_back(bias.grad().to(at::kFloat));
    }
    return results;
  };
  const std::vector<at::Tensor> native = compute(false), widened = compute(true);
  // Where the CPU has no instructions for bf16, workers do not use LibTorch's own products: they differ by 1.2 to 2.1 %
  // there (an AMD EPYC with AVX2).
  const double most = CpuHasBf16() ? 1e-2 : 3e-2;
  for (size_t i = 0; i < native.size(); ++i) {
    const double error = native[i].sub(widened[i]).norm().item<double>() / native[i].norm().item<double>();
    EXPECT_LT(error, most) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutBiases, WidenedProductsTest, ::testing::Bool());

TEST_F(BlockForwardTest, Bf16ActivationsAreWidenedFirst) {
  const at::Tensor hidden = Hidden(1, 16).to(at::kBFloat16);
  EXPECT_TRUE(Run(Block(), hidden).equal(Run(Block(), hidden.to(at::kFloat))));
}

TEST_F(BlockForwardTest, FirstAndSecondDerivativesAgreeWithDifferences) {
  const c10::AutoGradMode with_grad(true);
  const at::Tensor hidden = Hidden(1, 9).to(at::kDouble);
  const auto gradient = [&](const at::Tensor& gate, bool differentiable) {
    BlockTensors block = Block(at::kDouble);
    block[LinearKind::kGate] = gate;
    Run(block, hidden).pow(2).sum().backward({}, differentiable, differentiable);
    return gate.grad();
  };
  const at::Tensor direction = RandomTensor({config_.intermediate_size, config_.hidden_size}, 5).to(at::kDouble);
  const at::Tensor start = Block(at::kDouble)[LinearKind::kGate];
  at::Tensor gate = start.clone().set_requires_grad(true);
  const at::Tensor first = gradient(gate, true);
  const at::Tensor directional = first.mul(direction).sum();
  gate.mutable_grad() = at::Tensor();
  directional.backward();
  const at::Tensor hvp = gate.grad();
  const double h = 1e-5;
  const at::Tensor above = gradient(start.add(direction, h).set_requires_grad(true), false);
  const at::Tensor below = gradient(start.sub(direction, h).set_requires_grad(true), false);
  const at::Tensor difference = above.sub(below).div(2 * h);
  EXPECT_LE(hvp.sub(difference).norm().item<double>(), 1e-6 * difference.norm().item<double>());
}

TEST_F(BlockForwardTest, NothingOnThePathNeedsTheCpu) {
  BlockTensors block = Block();
  for (at::Tensor& linear : block.linears) linear = linear.to(at::kMeta);
  block.input_norm = block.input_norm.to(at::kMeta);
  block.post_attention_norm = block.post_attention_norm.to(at::kMeta);
  const at::Tensor out = Run(block, Hidden(2, kQueryChunk + 3).to(at::kMeta));
  EXPECT_EQ(out.device().type(), at::kMeta);
  EXPECT_EQ(out.sizes(), (std::vector<int64_t>{2, kQueryChunk + 3, config_.hidden_size}));
}

TEST(InverseFrequencies, FollowTheRopeBase) {
  LlamaConfig config;
  config.head_dim = 8;
  config.rope_theta = 10000;
  const at::Tensor inv_freq = InverseFrequencies(config, /*seqlen=*/16);
  const double wanted[] = {1, 0.1, 0.01, 0.001};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(inv_freq[i].item<double>(), wanted[i], 1e-7 * wanted[i]);
}

// By hand for theta 500000, head_dim 16, factor 8, low 1, high 4, original 8192: wavelengths 6.28 … 862 (< 2048)
// are kept, 4442.88 is blended with smooth = (8192/4442.88 − 1)/3 = 0.281283, 22911 and longer are divided by 8.
TEST(InverseFrequencies, Llama3ScalingAgreesWithNumbersComputedByHand) {
  LlamaConfig config;
  config.head_dim = 16;
  config.rope_theta = 500000;
  config.rope_scaling = RopeLlama3{};
  const double wanted[] = {1,
                           0.19392274474868576,
                           0.03760603093086393,
                           0.007292664737217109,
                           0.0005248461609929547,
                           3.428102195952591e-05,
                           6.647869871181235e-06,
                           1.2891731721515574e-06};
  const at::Tensor inv_freq = InverseFrequencies(config, /*seqlen=*/16);
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(inv_freq[i].item<double>(), wanted[i], 2e-6 * wanted[i]) << i;
}

}  // namespace
}  // namespace lwq::qat
