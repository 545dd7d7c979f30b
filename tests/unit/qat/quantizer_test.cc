// SPDX-License-Identifier: Apache-2.0
// Initial ranges, stored scales, and the way to integers and back.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/qat/tensor_checks.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/fake_quant.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

// Rows of many magnitudes, with one-sided, constant and zero ones.
at::Tensor Weights(uint64_t seed) {
  at::Generator generator = Seeded(seed);
  at::Tensor weight = at::randn({12, 64}, generator) * at::pow(10.0, at::rand({12, 1}, generator) * 6 - 3);
  weight[0] = weight[0].abs() + 1;
  weight[1] = -weight[1].abs() - 1;
  weight[2].fill_(0.37);
  weight[3].zero_();
  return weight;
}

TEST(InitQuantizer, AZeroContainingRangeHasZeroPointsInsideTheCodesAndDecodesZeroExactly) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    const at::Tensor weight = Weights(1);
    const QuantizerInit init = InitQuantizer(weight, bits, 32, /*range_contains_zero=*/true);
    EXPECT_GE(init.zero_point.min().item<float>(), 0) << bits;
    EXPECT_LE(init.zero_point.max().item<float>(), (1 << bits) - 1) << bits;
    const at::Tensor zeros = at::zeros_like(weight);
    EXPECT_TRUE(FakeQuantReference(zeros, init.scale, init.zero_point, bits, 32).equal(zeros)) << bits;
    // Every weight is within one step of its decoded value (half a step, and half for the rounded zero point).
    const at::Tensor error = (FakeQuantReference(weight, init.scale, init.zero_point, bits, 32) - weight).abs();
    EXPECT_TRUE((error.reshape({-1, 32}) <= init.scale * 1.001).all().item<bool>()) << bits;
  }
}

TEST(InitQuantizer, MiddleZeroPointsOfTwoBitsStillReachBothEndsOfEveryGroup) {
  const at::Tensor weight = Weights(1);
  for (const bool range_contains_zero : {true, false}) {
    const QuantizerInit plain = InitQuantizer(weight, 2, 32, range_contains_zero);
    const QuantizerInit middle = InitQuantizer(weight, 2, 32, range_contains_zero, kMinScale, ZeroPoints::kMiddle);
    EXPECT_GT((plain.zero_point != middle.zero_point).sum().item<int64_t>(), 0);
    EXPECT_TRUE(((middle.zero_point == 1) | (middle.zero_point == 2)).all().item<bool>());
    // Groups that were there already are as they were; no scale is smaller.
    const at::Tensor kept = plain.zero_point == middle.zero_point;
    EXPECT_TRUE((~kept | (plain.scale == middle.scale)).all().item<bool>());
    EXPECT_TRUE((middle.scale >= plain.scale).all().item<bool>());
    const at::Tensor error = (FakeQuantReference(weight, middle.scale, middle.zero_point, 2, 32) - weight).abs();
    EXPECT_TRUE((error.reshape({-1, 32}) <= middle.scale * 1.001).all().item<bool>()) << range_contains_zero;
  }
  const QuantizerInit wide = InitQuantizer(weight, 3, 32, true, kMinScale, ZeroPoints::kMiddle);
  EXPECT_TRUE(wide.zero_point.equal(InitQuantizer(weight, 3, 32, true).zero_point)) << "2 bits alone have a middle";
}

TEST(InitQuantizer, SymmetricZeroPointsAreTheMiddleCodeAndOnlyThePositiveEndIsClippedByAtMostAStep) {
  at::Tensor weight = Weights(1);
  weight[0] = at::rand({64}, Seeded(2)) + 3;  // one-sided rows
  weight[1] = -weight[0];
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int64_t group_size : {32, 2, -1}) {
      const QuantizerInit init = InitQuantizer(weight, bits, group_size, true, kMinScale, ZeroPoints::kSymmetric);
      EXPECT_TRUE((init.zero_point == (1 << (bits - 1))).all().item<bool>()) << bits;
      const at::Tensor step = init.scale * 1.0001;
      const at::Tensor decoded = FakeQuantReference(weight, init.scale, init.zero_point, bits, group_size);
      const at::Tensor error = (decoded - weight).abs().reshape({init.scale.size(0), -1});
      const at::Tensor levels = weight.reshape({init.scale.size(0), -1}) / init.scale;
      const at::Tensor clipped = levels > (1 << (bits - 1)) - 0.5;
      EXPECT_TRUE((error <= at::where(clipped, step, step / 2)).all().item<bool>()) << bits;
      EXPECT_GT(clipped.sum().item<int64_t>(), 0) << "the positive row has a largest weight";
      const QuantizerInit other = InitQuantizer(weight, bits, group_size, false, kMinScale, ZeroPoints::kSymmetric);
      EXPECT_TRUE(other.scale.equal(init.scale)) << "range_contains_zero does nothing here";
    }
  }
}

// The loss is a sum over U · fake_quant; where no code changes within the step, its slope along a scale is exact.
TEST(FakeQuant, TheGradientOfAScaleWithASymmetricZeroPointIsItsFiniteDifferenceWhereNoCodeChanges) {
  for (const int bits : {2, 3, 4, 8}) {
    // Weights a quarter of a step above codes, half of them beyond the last ones: none is near a threshold of rounding.
    const int middle = 1 << (bits - 1);
    const at::Tensor codes = at::randint(-2 * middle, 2 * middle, {4, 32}, Seeded(7), at::kFloat);
    const at::Tensor weight = (codes + 0.25) * 0.25;
    at::Tensor scale = at::full({4, 1}, 0.25f).requires_grad_();
    const at::Tensor zero = at::full({4, 1}, static_cast<float>(middle));
    const at::Tensor upstream = at::randn({4, 32}, Seeded(8));
    (FakeQuant(weight, scale, zero, bits, 32, at::kFloat) * upstream).sum().backward();
    // Straight through, a rounded w/s moves as w/s does: of the codes inside the slope is that of (q − z)·s less w/s.
    const at::Tensor exact = codes.to(at::kDouble);
    const at::Tensor levels = at::clamp(exact, -middle, middle - 1);
    const at::Tensor inside = (levels == exact).to(at::kDouble);
    const auto loss = [&](double s) {
      const at::Tensor moved = levels * s + inside * (weight.to(at::kDouble) / s - (exact + 0.25)) * 0.25;
      return (moved * upstream.to(at::kDouble)).sum({1}, /*keepdim=*/true);
    };
    constexpr double kStep = 1e-5;
    const at::Tensor slope = (loss(0.25 + kStep) - loss(0.25 - kStep)) / (2 * kStep);
    EXPECT_TRUE(at::allclose(scale.grad().to(at::kDouble), slope, 1e-5, 1e-5 * middle)) << bits;
  }
}

TEST(ConfineZeroPointSte, ClampsToTheMiddleAndPassesTheGradientOn) {
  const at::Tensor zero = at::tensor({-5.0f, 0.9f, 1.0f, 1.4f, 2.0f, 7.0f}).unsqueeze(1).requires_grad_();
  const at::Tensor confined = ConfineZeroPointSte(zero);
  EXPECT_TRUE(confined.detach().equal(at::tensor({1.0f, 1.0f, 1.0f, 1.4f, 2.0f, 2.0f}).unsqueeze(1)));
  confined.backward(at::ones_like(confined) * 3);
  EXPECT_TRUE((zero.grad() == 3).all().item<bool>());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(ConfineZeroPointSte(at::full({1, 1}, nan)).item<float>())) << "a diverged one stays visible";
}

TEST(InitQuantizer, WithoutZeroInTheRangeAOneSidedGroupHasItsZeroPointOutside) {
  at::Tensor weight = Weights(1);
  weight[0] = at::rand({64}, Seeded(2)) + 3;
  weight[1] = -weight[0];
  const QuantizerInit init = InitQuantizer(weight, 4, -1, /*range_contains_zero=*/false);
  EXPECT_LT(init.zero_point[0].item<float>(), 0);
  EXPECT_GT(init.zero_point[1].item<float>(), 15);
}

TEST(InitQuantizer, TakesHalfPrecisionWeightsAndRefusesEmptyOnes) {
  const at::Tensor weight = Weights(2).to(at::kBFloat16);
  EXPECT_TRUE(InitQuantizer(weight, 4, 32, true).scale.equal(InitQuantizer(weight.to(at::kFloat), 4, 32, true).scale));
  EXPECT_EQ(TorchGuard("init",
                       [] {
                         InitQuantizer(at::zeros({0, 8}), 4, 8, true);
                       })
                .code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TorchGuard("init",
                       [] {
                         InitQuantizer(at::zeros({4, 8}), 4, 3, true);
                       })
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(RoundScaleToFp16Ste, GivesFp16NumbersInsideTheBoundsAndPassesTheGradientOn) {
  at::Generator generator = Seeded(4);
  at::Tensor scale = (at::rand({500, 1}, generator) * 0.1).requires_grad_();
  {
    c10::AutoGradMode no_grad(false);
    scale[0] = 1e-9;
    scale[1] = -3;
    scale[2] = 1e6;
  }
  const at::Tensor rounded = RoundScaleToFp16Ste(scale);
  EXPECT_TRUE(rounded.equal(rounded.to(at::kHalf).to(at::kFloat)));
  EXPECT_GE(rounded.min().item<float>(), static_cast<float>(kMinScale));
  EXPECT_LE(rounded.max().item<float>(), static_cast<float>(kMaxScale));
  EXPECT_LE((rounded - scale).abs().slice(0, 3).max().item<float>(), 0.1f / 2048);
  rounded.backward(at::ones_like(rounded) * 2);
  EXPECT_TRUE((scale.grad() == 2).all().item<bool>());
}

// Weights times 2^-k with their neighbours times 2^k is the same function: its quantization may not get worse before
// fp16 itself does. (With scales of at least 1e-4 the error at 2^-6 and 8 bits would be 0.1 in place of 0.005.)
TEST(InitQuantizer, SmallWeightsKeepTheirLevelsDownToTheEndOfFp16) {
  const auto relative_error = [](const at::Tensor& weight, int bits) {
    const QuantizerInit init = InitQuantizer(weight, bits, 32, /*range_contains_zero=*/true);
    const at::Tensor served = FakeQuant(weight, RoundScaleToFp16Ste(init.scale), init.zero_point, bits, 32, at::kFloat);
    return (served - weight).norm().item<double>() / weight.norm().item<double>();
  };
  at::Generator generator = Seeded(12);
  const at::Tensor weight = at::randn({16, 128}, generator) * 0.02;
  for (const auto& [bits, smallest] : std::vector<std::pair<int, int>>{{8, -6}, {4, -11}, {2, -14}}) {
    const double as_it_is = relative_error(weight, bits);
    for (int exponent = 0; exponent >= smallest; --exponent) {
      EXPECT_NEAR(relative_error(weight * std::ldexp(1.0, exponent), bits), as_it_is, 0.1 * as_it_is)
          << bits << " bits, weights times 2^" << exponent;
    }
  }
}

TEST(ClampScaleAsEfficientQat, HasItsFloorAndPassesTheGradientOn) {
  const at::Tensor scale = at::tensor({1e-6f, -3.0f, 0.25f, 1e6f}).unsqueeze(1).requires_grad_();
  const at::Tensor clamped = ClampScaleAsEfficientQat(scale);
  EXPECT_TRUE(at::allclose(clamped.detach(), at::tensor({1e-4f, 1e-4f, 0.25f, 1e4f}).unsqueeze(1), 3e-3));
  clamped.backward(at::ones_like(clamped) * 2);
  EXPECT_TRUE((scale.grad() == 2).all().item<bool>());
}

TEST(FakeQuant, AScaleThatLeftItsBoundsCountsAsTheBoundExactly) {
  const at::Tensor weight = at::tensor({-1e-7f, 1e-7f, 0.0f, 2e-7f}).unsqueeze(0);
  for (const float scale : {-1.0f, 0.0f, 1e-9f}) {
    const at::Tensor served = FakeQuant(weight, at::full({1, 1}, scale), at::full({1, 1}, 2.0f), 4, -1, at::kFloat);
    const at::Tensor wanted = at::tensor({-0x1p-23f, 0x1p-23f, 0.0f, 3 * 0x1p-24f}).unsqueeze(0);
    EXPECT_TRUE(served.equal(wanted)) << scale << " " << served;
  }
}

TEST(RoundScaleToFp16Ste, AScaleThatIsNotFiniteStaysVisible) {
  at::Tensor scale = at::zeros({3, 1});
  scale[0] = std::numeric_limits<float>::quiet_NaN();
  scale[1] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(RoundScaleToFp16Ste(scale).isnan().sum().item<int64_t>(), 2);
}

struct Trained {
  at::Tensor weight, scale, zero_point;
};

// As after some training: scales and zero points off their initial values, some out of bounds.
Trained MakeTrained(uint64_t seed, int bits, int64_t group_size) {
  at::Generator generator = Seeded(seed);
  Trained t;
  t.weight = Weights(seed);
  const QuantizerInit init = InitQuantizer(t.weight, bits, group_size, false);
  t.scale = init.scale * (at::rand(init.scale.sizes(), generator) + 0.5);
  t.zero_point = init.zero_point + at::randn(init.zero_point.sizes(), generator);
  return t;
}

TEST(DeriveQuantizedLinear, DecodesToTheBitsThatTrainingSaw) {
  uint64_t seed = 1;
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int64_t group_size : {-1, 4, 32}) {
      for (const bool fp16_scales : {true, false}) {
        const Trained t = MakeTrained(seed++, bits, group_size);
        const at::Tensor scale = fp16_scales ? RoundScaleToFp16Ste(t.scale) : t.scale;
        StatusOr<QuantizedLinear> linear = DeriveQuantizedLinear(t.weight, scale, t.zero_point, bits, group_size);
        ASSERT_TRUE(linear.ok()) << linear.status();
        const at::Tensor seen = FakeQuant(t.weight, scale, t.zero_point, bits, group_size, at::kFloat);
        EXPECT_TRUE(SameBytes(Dequantize(*linear, at::kCPU), seen)) << "bits " << bits << " group " << group_size;
        EXPECT_LE(ToTensor(linear->codes, at::kLong, at::kCPU).max().item<int64_t>(), (1 << bits) - 1);
        EXPECT_LE(ToTensor(linear->zeros, at::kLong, at::kCPU).max().item<int64_t>(), (1 << bits) - 1);
        if (fp16_scales) {
          const at::Tensor stored = ToTensor(linear->scales, at::kFloat, at::kCPU);
          EXPECT_TRUE(stored.equal(stored.to(at::kHalf).to(at::kFloat)));
        }
      }
    }
  }
}

TEST(DeriveQuantizedLinear, SaysTheResolvedGroupSizeAndShapes) {
  const Trained t = MakeTrained(3, 4, -1);
  const QuantizedLinear linear = *DeriveQuantizedLinear(t.weight, t.scale, t.zero_point, 4, -1);
  EXPECT_EQ(linear.group_size, 64);
  EXPECT_EQ(linear.codes.shape, (std::vector<int64_t>{12, 64}));
  EXPECT_EQ(linear.scales.shape, (std::vector<int64_t>{12, 1}));
  EXPECT_EQ(linear.zeros.dtype, DType::kU8);
}

TEST(DeriveQuantizedLinear, DoesNotShareMemoryWithTheParametersThatGoOnTraining) {
  const Trained t = MakeTrained(3, 4, 32);
  const QuantizedLinear linear = *DeriveQuantizedLinear(t.weight, t.scale, t.zero_point, 4, 32);
  const at::Tensor before = Dequantize(linear, at::kCPU);
  t.weight.add_(1);
  t.scale.mul_(3);
  t.zero_point.add_(1);
  EXPECT_TRUE(Dequantize(linear, at::kCPU).equal(before));
}

TEST(DeriveQuantizedLinear, RefusesWhatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const int which : {0, 1, 2}) {
      const Trained t = MakeTrained(3, 4, 32);
      (which == 0 ? t.weight : which == 1 ? t.scale : t.zero_point)[5][0] = bad;
      EXPECT_EQ(DeriveQuantizedLinear(t.weight, t.scale, t.zero_point, 4, 32).status().code(),
                absl::StatusCode::kInvalidArgument)
          << which << " " << bad;
    }
  }
}

TEST(Dequantize, RefusesPartsThatDoNotFitTogether) {
  const Trained t = MakeTrained(3, 4, 32);
  const QuantizedLinear good = *DeriveQuantizedLinear(t.weight, t.scale, t.zero_point, 4, 32);
  const auto code = [](const QuantizedLinear& linear) {
    return TorchGuard("dequantize", [&] { Dequantize(linear, at::kCPU); }).code();
  };
  EXPECT_EQ(code(good), absl::StatusCode::kOk);
  std::vector<QuantizedLinear> bad(7, good);
  bad[0].group_size = 0;
  bad[1].group_size = 33;
  bad[2].in_features = 128;
  bad[3].scales.shape = {24};
  bad[4].zeros.dtype = DType::kI8;
  bad[5].bits = 7;
  bad[6].codes.bytes = bad[6].codes.bytes.Slice(0, 10);
  for (size_t i = 0; i < bad.size(); ++i) EXPECT_EQ(code(bad[i]), absl::StatusCode::kInvalidArgument) << i;
}

}  // namespace
}  // namespace lwq::qat
