// SPDX-License-Identifier: Apache-2.0
// GPTQ of one linear: the integers of a plain float64 computation, and no larger error than round-to-nearest.
#include "worker/qat/gptq/gptq_linear.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/gptq_reference.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

// What a linear reads [tokens, in]: a few directions carry most of it, and columns differ in size.
at::Tensor CorrelatedInputs(int64_t tokens, int64_t in, uint64_t seed) {
  const int64_t directions = std::max<int64_t>(1, in / 4);
  const at::Tensor common = at::mm(RandomTensor({tokens, directions}, seed), RandomTensor({directions, in}, seed + 1));
  const at::Tensor sizes = RandomTensor({in}, seed + 2).exp();
  return common.add(RandomTensor({tokens, in}, seed + 3)).mul(sizes);
}

at::Tensor HessianOf(const at::Tensor& inputs) {
  InputHessian hessian;
  for (const at::Tensor& part : inputs.chunk(3)) hessian.Add(part.contiguous());
  return hessian.Take();
}

Matrix MatrixOf(const at::Tensor& tensor) {
  const at::Tensor wide = tensor.to(at::kDouble).contiguous();
  Matrix matrix;
  for (int64_t i = 0; i < wide.size(0); ++i) {
    const double* row = wide.data_ptr<double>() + i * wide.size(1);
    matrix.emplace_back(row, row + wide.size(1));
  }
  return matrix;
}

at::Tensor TensorOf(const HostTensor& tensor) {
  return ToTensor(tensor, at::kDouble, at::kCPU);
}

RoundedLinear Rounded(const at::Tensor& weight, const at::Tensor& hessian, const GptqOptions& options) {
  const std::optional<ReadColumns> columns = ReadColumnsOf(hessian.clone(), options);
  LWQ_CHECK(columns.has_value(), "no factor");
  return RoundByGptq(weight, *columns, options);
}

at::Tensor NearestOf(const at::Tensor& weight, const GptqOptions& options) {
  const QuantizerInit init = InitQuantizer(weight, options.bits, options.group_size, options.range_contains_zero);
  return Dequantize(*DeriveQuantizedLinear(weight, RoundScaleToFp16Ste(init.scale), init.zero_point, options.bits,
                                           options.group_size),
                    at::kCPU);
}

struct LinearCase {
  const char* name;
  int64_t out, in, tokens;
  GptqOptions options;
};

void PrintTo(const LinearCase& linear, std::ostream* os) {
  *os << linear.name;
}

class GptqLinearTest : public ::testing::TestWithParam<LinearCase> {
 protected:
  const LinearCase& c_ = GetParam();
  at::Tensor weight_ = RandomTensor({c_.out, c_.in}, 11, 0.05);
  at::Tensor hessian_ = HessianOf(CorrelatedInputs(c_.tokens, c_.in, 21));
};

TEST_P(GptqLinearTest, CodesScalesAndZeroPointsAreThoseOfAPlainFloat64Computation) {
  const GptqReference expected =
      RoundAsThePaperSays(MatrixOf(weight_), MatrixOf(hessian_),
                          {.bits = c_.options.bits,
                           .group_size = c_.options.group_size == -1 ? c_.in : c_.options.group_size,
                           .damp_percent = c_.options.damp_percent,
                           .desc_act = c_.options.desc_act});
  const at::Tensor before = weight_.clone();
  const RoundedLinear rounded = Rounded(weight_, hessian_, c_.options);
  EXPECT_TRUE(weight_.equal(before)) << "the model's own weight was written";
  const Matrix codes = MatrixOf(TensorOf(rounded.quantized.codes));
  const Matrix scales = MatrixOf(TensorOf(rounded.quantized.scales));
  const Matrix zeros = MatrixOf(TensorOf(rounded.quantized.zeros));
  for (size_t o = 0; o < codes.size(); ++o) {
    for (size_t i = 0; i < codes[o].size(); ++i) {
      ASSERT_EQ(static_cast<int>(codes[o][i]), expected.codes[o][i]) << "output " << o << ", column " << i;
    }
    EXPECT_EQ(scales[o], expected.scales[o]) << "output " << o;
    for (size_t g = 0; g < zeros[o].size(); ++g) ASSERT_EQ(static_cast<int>(zeros[o][g]), expected.zeros[o][g]);
  }
}

TEST_P(GptqLinearTest, TheErrorIsThatOfItsOutputsAndNotAboveRoundToNearest) {
  const RoundedLinear rounded = Rounded(weight_, hessian_, c_.options);
  const Matrix weight = MatrixOf(weight_), hessian = MatrixOf(hessian_);
  const double error = WeightedError(weight, MatrixOf(Dequantize(rounded.quantized, at::kCPU)), hessian);
  const double nearest = WeightedError(weight, MatrixOf(NearestOf(weight_, c_.options)), hessian);
  EXPECT_NEAR(rounded.error, error, 2e-3 * error);
  EXPECT_LT(error, nearest);
}

TEST_P(GptqLinearTest, TheLatentWeightsHaveItsIntegersUnderItsScales) {
  const RoundedLinear rounded = Rounded(weight_, hessian_, c_.options);
  const QuantizedLinear& linear = rounded.quantized;
  const auto column = [](const HostTensor& tensor) { return ToTensor(tensor, at::kFloat, at::kCPU).view({-1, 1}); };
  const auto derived = DeriveQuantizedLinear(rounded.latent, column(linear.scales), column(linear.zeros), linear.bits,
                                             linear.group_size);
  ASSERT_TRUE(derived.ok()) << derived.status();
  EXPECT_TRUE(SameBytes(derived->codes, linear.codes));
  EXPECT_TRUE(SameBytes(derived->scales, linear.scales));
  EXPECT_TRUE(SameBytes(derived->zeros, linear.zeros));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, GptqLinearTest,
    ::testing::Values(LinearCase{"whole_rows", 7, 33, 200, {.bits = 4, .group_size = -1}},
                      LinearCase{"groups_of_32", 24, 96, 300, {.bits = 3, .group_size = 32}},
                      LinearCase{"groups_of_64", 40, 192, 500, {.bits = 2, .group_size = 64}},
                      LinearCase{"fewer_tokens_than_columns", 16, 128, 50, {.bits = 4, .group_size = 64}},
                      LinearCase{"more_columns_than_a_batch", 33, 300, 700, {.bits = 3, .group_size = -1}},
                      LinearCase{"groups_that_divide_no_batch", 9, 240, 500, {.bits = 4, .group_size = 48}},
                      LinearCase{"groups_longer_than_a_batch", 5, 300, 600, {.bits = 4, .group_size = 150}},
                      LinearCase{"eight_bits", 12, 64, 200, {.bits = 8, .group_size = 16}},
                      LinearCase{"one_output", 1, 64, 200, {.bits = 2, .group_size = 32}},
                      LinearCase{"strong_damping", 10, 64, 200, {.bits = 3, .group_size = 32, .damp_percent = 0.5}},
                      LinearCase{"desc_act", 24, 192, 500, {.bits = 3, .group_size = 64, .desc_act = true}},
                      LinearCase{"desc_act_whole_rows", 17, 160, 400, {.bits = 2, .group_size = -1, .desc_act = true}},
                      LinearCase{"desc_act_fewer_tokens", 17, 96, 40, {.bits = 4, .group_size = 32, .desc_act = true}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(GptqOfOneLinearTest, InputsThatHaveNothingInCommonLeaveRoundToNearest) {
  const at::Tensor weight = RandomTensor({8, 64}, 1, 0.05);
  const at::Tensor hessian = at::tensor(std::vector<double>(64, 3.0), at::kDouble).diag();
  const GptqOptions options{.bits = 3, .group_size = 32};
  EXPECT_TRUE(Dequantize(Rounded(weight, hessian, options).quantized, at::kCPU).equal(NearestOf(weight, options)));
}

TEST(GptqOfOneLinearTest, ADeadColumnIsRoundedToNearestAndMakesUpForNothing) {
  const at::Tensor weight = RandomTensor({8, 64}, 1, 0.05);
  at::Tensor inputs = CorrelatedInputs(200, 64, 2);
  inputs.select(1, 5).zero_();
  inputs.select(1, 63).zero_();
  for (const bool desc_act : {false, true}) {
    const GptqOptions options{.bits = 4, .group_size = -1, .desc_act = desc_act};
    const std::optional<ReadColumns> columns = ReadColumnsOf(HessianOf(inputs), options);
    ASSERT_TRUE(columns.has_value());
    EXPECT_EQ(columns->dead.sum().item<int64_t>(), 2);
    const RoundedLinear rounded = RoundByGptq(weight, *columns, options);
    const at::Tensor served = Dequantize(rounded.quantized, at::kCPU), nearest = NearestOf(weight, options);
    for (const int64_t column : {5, 63}) {
      EXPECT_TRUE(served.select(1, column).equal(nearest.select(1, column))) << column;
      EXPECT_TRUE(rounded.latent.select(1, column).equal(weight.select(1, column))) << column;
    }
    const double error = WeightedError(MatrixOf(weight), MatrixOf(served), MatrixOf(HessianOf(inputs)));
    EXPECT_NEAR(rounded.error, error, 2e-3 * error) << "what a dead column loses costs nothing";
  }
}

TEST(GptqOfOneLinearTest, WhereNothingEverFlowsAllIsRoundedToNearestWithoutError) {
  const at::Tensor weight = RandomTensor({8, 32}, 1, 0.05);
  const GptqOptions options{.bits = 2, .group_size = 16};
  const RoundedLinear rounded = Rounded(weight, at::zeros({32, 32}, at::kDouble), options);
  EXPECT_TRUE(Dequantize(rounded.quantized, at::kCPU).equal(NearestOf(weight, options)));
  EXPECT_LT(rounded.error, 1e-12);
}

TEST(GptqOfOneLinearTest, ScalesAndZeroPointsObeyTheRecipesRules) {
  const at::Tensor weight = RandomTensor({16, 64}, 1, 0.05).add(0.2);
  const at::Tensor hessian = HessianOf(CorrelatedInputs(200, 64, 2));
  GptqOptions options{.bits = 2, .group_size = 32};
  const auto zeros_of = [&] { return TensorOf(Rounded(weight, hessian, options).quantized.zeros); };
  EXPECT_EQ(zeros_of().max().item<double>(), 0) << "all weights are above 0";
  options.zero_points = ZeroPoints::kMiddle;
  EXPECT_EQ(zeros_of().min().item<double>(), 1);
  options.zero_points = ZeroPoints::kSymmetric;
  EXPECT_TRUE(zeros_of().eq(2).all().item<bool>());
  options.zero_points = ZeroPoints::kAny;
  // Of each row's first group, which no error has reached yet.
  const auto scales_of = [&] {
    return TensorOf(Rounded(weight, hessian, options).quantized.scales).narrow(1, 0, 1).contiguous();
  };
  EXPECT_TRUE(scales_of().to(at::kHalf).to(at::kDouble).equal(scales_of()));
  const at::Tensor with_zero = scales_of();
  options.fp16_scales = false;
  EXPECT_FALSE(scales_of().to(at::kHalf).to(at::kDouble).equal(scales_of()));
  options.range_contains_zero = false;
  EXPECT_LT(scales_of().max().item<double>(), with_zero.max().item<double>());
}

TEST(FactorOfInverseTest, ItsProductWithItselfIsTheInverseOfTheDampedHessian) {
  for (const int64_t n : {1, 7, 700}) {
    const at::Tensor hessian = HessianOf(CorrelatedInputs(2 * n, n, 5));
    const std::optional<InverseFactor> factor = FactorOfInverse(hessian, 0.01);
    ASSERT_TRUE(factor.has_value());
    EXPECT_EQ(factor->damp_percent, 0.01);
    EXPECT_NEAR(factor->lambda, 0.01 * hessian.diagonal().mean().item<double>(), 1e-9 * factor->lambda);
    const at::Tensor upper = factor->upper.to(at::kDouble);
    EXPECT_TRUE(upper.triu().equal(upper));
    at::Tensor damped = hessian.clone();
    damped.diagonal().add_(factor->lambda);
    const at::Tensor identity = at::mm(at::mm(upper.t(), upper), damped);
    const double worst = identity.sub(at::eye(n, at::kDouble)).abs().max().item<double>();
    EXPECT_LT(worst, 1e-3) << n << ": U is float32, and H is far from the identity";
  }
}

TEST(FactorOfInverseTest, DampingIsRaisedUntilTheHessianIsPositiveDefinite) {
  const at::Tensor slightly = at::tensor({1.0, 1.045, 1.045, 1.0}, at::kDouble).view({2, 2});
  const std::optional<InverseFactor> factor = FactorOfInverse(slightly, 0.01);
  ASSERT_TRUE(factor.has_value());
  EXPECT_NEAR(factor->damp_percent, 0.05, 1e-12);
  EXPECT_FALSE(FactorOfInverse(at::tensor({1.0, 3.0, 3.0, 1.0}, at::kDouble).view({2, 2}), 0.01).has_value());
}

TEST(GptqOfOneLinearTest, WhereErrorsOutgrowFloat32TheErrorIsNoNumber) {
  const at::Tensor weight = RandomTensor({4, 32}, 1, 1e38);
  const GptqOptions options{.bits = 2, .group_size = -1};
  EXPECT_FALSE(std::isfinite(Rounded(weight, HessianOf(CorrelatedInputs(100, 32, 2)), options).error));
}

}  // namespace
}  // namespace lwq::qat
