// SPDX-License-Identifier: Apache-2.0
// One linear whose rounding is fitted: gradients and steps of both methods against float64 loops over elements.
#include <c10/core/GradMode.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/qat/model_random_block.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/quant/adamw.h"
#include "worker/qat/quant/derive_codes.h"
#include "worker/qat/quant/quantizer_reference.h"
#include "worker/qat/rounding/fitted_linear.h"
#include "worker/qat/rounding/signed_descent.h"

namespace lwq::qat {
namespace {

constexpr int64_t kStepOut = 5, kStepIn = 32, kStepGroup = 16;
constexpr int64_t kStepRows = kStepOut * kStepIn / kStepGroup;

struct StepCase {
  const char* name;
  RoundingFit fit;
  int bits;
  ZeroPoints zero_points;
};

void PrintTo(const StepCase& test_case, std::ostream* os) {
  *os << test_case.name;
}

FitOptions OptionsOf(const StepCase& test_case) {
  return {.fit = test_case.fit,
          .bits = test_case.bits,
          .group_size = kStepGroup,
          .steps = 10,
          .offset_lr = test_case.fit == RoundingFit::kSignRound ? 0.1 : 0,
          .range_lr = 0.1,
          .zero_points = test_case.zero_points};
}

// What one group is, in float64.
struct GroupGradients {
  std::vector<double> offsets;
  double low = 0;
  double high = 0;
};

// d Σ upstream · fake-quantized / d (offsets, low, high) of one group, for ZeroPoints::kAny and kSymmetric.
GroupGradients ReferenceGradients(const StepCase& test_case, const float* weight, const float* offsets, double low,
                                  double high, const float* upstream) {
  const bool is_signround = test_case.fit == RoundingFit::kSignRound;
  const auto factor = [&](double parameter) { return is_signround ? parameter : 1 / (1 + std::exp(-parameter)); };
  double minimum = 0, maximum = 0;  // the range contains zero
  for (int64_t i = 0; i < kStepGroup; ++i) {
    minimum = std::min<double>(minimum, weight[i]);
    maximum = std::max<double>(maximum, weight[i]);
  }
  const double lo = factor(low) * minimum, hi = factor(high) * maximum;
  const double max_code = (1 << test_case.bits) - 1;
  const bool is_symmetric = test_case.zero_points == ZeroPoints::kSymmetric;
  const double half = 1 << (test_case.bits - 1);
  const double exact = is_symmetric ? std::max(-lo, hi) / half : (hi - lo) / max_code;
  const double scale = at::Half(static_cast<float>(exact));
  const double zero = is_symmetric ? half : std::nearbyint(-lo / exact);
  GroupGradients gradients;
  double by_scale = 0, by_zero = 0;
  for (int64_t i = 0; i < kStepGroup; ++i) {
    const double offset = offsets == nullptr ? 0 : offsets[i];
    const double code = std::nearbyint(weight[i] / scale + offset) + zero;
    const bool inside = code >= 0 && code <= max_code;
    const double level = std::min(std::max(code, 0.0), max_code) - zero;
    gradients.offsets.push_back(inside ? upstream[i] * scale : 0);
    by_scale += upstream[i] * (level - (inside ? weight[i] / scale : 0));
    by_zero += inside ? 0 : -upstream[i] * scale;
  }
  double by_lo = 0, by_hi = 0;
  if (is_symmetric) {
    (hi > -lo ? by_hi : by_lo) = (hi > -lo ? 1 : -1) * by_scale / half;
  } else {
    if (!is_signround) by_zero = 0;  // OmniQuant's rounding of the zero point passes none
    by_scale += by_zero * lo / (exact * exact);
    by_lo = -by_scale / max_code - by_zero / exact;
    by_hi = by_scale / max_code;
  }
  const auto slope = [&](double parameter) { return is_signround ? 1 : factor(parameter) * (1 - factor(parameter)); };
  gradients.low = by_lo * minimum * slope(low);
  gradients.high = by_hi * maximum * slope(high);
  return gradients;
}

// A linear somewhere on its way, and the gradients of a random upstream.
struct StepState {
  at::Tensor weight, upstream;
  FittedLinear linear;
};

StepState RandomState(const StepCase& test_case, uint64_t seed) {
  at::Tensor weight = RandomTensor({kStepOut, kStepIn}, seed, 0.3);
  FittedLinear linear(weight, OptionsOf(test_case));
  linear.Begin();
  {
    const c10::NoGradGuard no_grad;
    if (linear.offsets().defined()) {
      linear.offsets().copy_(RandomTensor({kStepRows, kStepGroup}, seed + 1, 0.2).clamp(-0.45, 0.45));
    }
    for (const at::Tensor& factor : {linear.low(), linear.high()}) {
      factor.mul_(RandomTensor({kStepRows, 1}, seed + 2, 0.05).clamp(-0.2, 0).add(0.9));
    }
  }
  at::Tensor upstream = RandomTensor({kStepOut, kStepIn}, seed + 3);
  linear.FakeQuantized(at::kFloat).mul(upstream).sum().backward();
  return {std::move(weight), std::move(upstream), std::move(linear)};
}

class RoundingStepTest : public ::testing::TestWithParam<StepCase> {
 protected:
  GroupGradients Expected(const StepState& state, int64_t row) const {
    const FittedLinear& linear = state.linear;
    const int64_t first = row * kStepGroup;
    return ReferenceGradients(GetParam(), state.weight.data_ptr<float>() + first,
                              linear.offsets().defined() ? linear.offsets().data_ptr<float>() + first : nullptr,
                              linear.low()[row].item<double>(), linear.high()[row].item<double>(),
                              state.upstream.data_ptr<float>() + first);
  }
};

TEST_P(RoundingStepTest, GradientsAreThoseOfTheFormulaeInFloat64) {
  for (uint64_t seed : {10, 20, 30}) {
    const StepState state = RandomState(GetParam(), seed);
    for (int64_t row = 0; row < kStepRows; ++row) {
      const GroupGradients expected = Expected(state, row);
      EXPECT_NEAR(state.linear.low().grad()[row].item<double>(), expected.low, 1e-4) << row;
      EXPECT_NEAR(state.linear.high().grad()[row].item<double>(), expected.high, 1e-4) << row;
      if (!state.linear.offsets().defined()) continue;
      for (int64_t i = 0; i < kStepGroup; ++i) {
        EXPECT_NEAR(state.linear.offsets().grad()[row][i].item<double>(), expected.offsets[static_cast<size_t>(i)],
                    1e-5)
            << row << " " << i;
      }
    }
  }
}

TEST_P(RoundingStepTest, AStepMovesEveryParameterAgainstItsGradientByTheRateAndNotOutOfItsInterval) {
  constexpr double kRate = 0.08;
  const bool is_signround = GetParam().fit == RoundingFit::kSignRound;
  StepState state = RandomState(GetParam(), 10);
  FittedLinear& linear = state.linear;
  std::vector<GroupGradients> gradients;
  for (int64_t row = 0; row < kStepRows; ++row) gradients.push_back(Expected(state, row));
  const at::Tensor low = linear.low().detach().clone(), high = linear.high().detach().clone();
  const at::Tensor offsets = is_signround ? linear.offsets().detach().clone() : at::Tensor();
  const auto step = [&](auto optimizer) {
    if (is_signround) optimizer.AddParameter(linear.offsets(), 0);
    optimizer.AddParameter(linear.low(), 1);
    optimizer.AddParameter(linear.high(), 1);
    optimizer.SetLr(0, kRate);
    optimizer.SetLr(1, kRate);
    optimizer.Step();
    optimizer.ZeroGrad();
  };
  if (is_signround) {
    step(SignedDescent(2));
  } else {
    step(AdamW(AdamWOptions{}, std::vector<AdamW::Group>(2)));
  }
  linear.Confine();
  EXPECT_FALSE(linear.low().grad().defined());
  // AdamW's first step is g / (|g| + 1e-8) as well; gradients whose sign is a matter of rounding are left out.
  const auto moved = [&](double value, double gradient, double least, double most) {
    const double direction = gradient == 0  ? 0
                             : is_signround ? std::copysign(1, gradient)
                                            : gradient / (std::abs(gradient) + 1e-8);
    const double next = value - kRate * direction;
    return is_signround ? std::min(std::max(next, least), most) : next;
  };
  const auto is_sure = [](double gradient) { return gradient == 0 || std::abs(gradient) > 1e-3; };
  for (int64_t row = 0; row < kStepRows; ++row) {
    const GroupGradients& g = gradients[static_cast<size_t>(row)];
    if (is_sure(g.low)) {
      EXPECT_NEAR(linear.low()[row].item<double>(), moved(low[row].item<double>(), g.low, 0, 1), 1e-5);
    }
    if (is_sure(g.high)) {
      EXPECT_NEAR(linear.high()[row].item<double>(), moved(high[row].item<double>(), g.high, 0, 1), 1e-5);
    }
    for (int64_t i = 0; is_signround && i < kStepGroup; ++i) {
      const double gradient = g.offsets[static_cast<size_t>(i)];
      if (!is_sure(gradient)) continue;
      EXPECT_NEAR(linear.offsets()[row][i].item<double>(), moved(offsets[row][i].item<double>(), gradient, -0.5, 0.5),
                  1e-6);
    }
  }
}

TEST_P(RoundingStepTest, TheIntegersAreThoseOfTheLatentWeightsInRangeAndDecodeToWhatWasComputed) {
  const StepState state = RandomState(GetParam(), 40);
  const QuantizedLinear derived = *state.linear.Derive();
  const c10::NoGradGuard no_grad;
  EXPECT_TRUE(Dequantize(derived, at::kCPU).equal(state.linear.FakeQuantized(at::kFloat)));
  const at::Tensor scale = ToTensor(derived.scales, at::kFloat, at::kCPU).view({-1, 1});
  const at::Tensor zero = ToTensor(derived.zeros, at::kFloat, at::kCPU).view({-1, 1});
  const at::Tensor codes = ToTensor(derived.codes, at::kFloat, at::kCPU);
  const QuantizedParts parts = QuantizeReference(state.linear.Latent(), scale, zero, GetParam().bits, kStepGroup);
  EXPECT_TRUE(parts.codes.equal(codes)) << "what a training starts from";
  EXPECT_LE(codes.max().item<double>(), (1 << GetParam().bits) - 1);
  EXPECT_TRUE(scale.equal(scale.to(at::kHalf).to(at::kFloat)));
  if (GetParam().zero_points == ZeroPoints::kSymmetric) {
    EXPECT_TRUE(zero.eq(SymmetricZeroPoint(GetParam().bits)).all().item<bool>());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Fits, RoundingStepTest,
    ::testing::Values(StepCase{"SignRoundW2", RoundingFit::kSignRound, 2, ZeroPoints::kAny},
                      StepCase{"SignRoundW4", RoundingFit::kSignRound, 4, ZeroPoints::kAny},
                      StepCase{"SignRoundW4Symmetric", RoundingFit::kSignRound, 4, ZeroPoints::kSymmetric},
                      StepCase{"OmniQuantW2", RoundingFit::kOmniQuant, 2, ZeroPoints::kAny},
                      StepCase{"OmniQuantW3", RoundingFit::kOmniQuant, 3, ZeroPoints::kAny},
                      StepCase{"OmniQuantW4Symmetric", RoundingFit::kOmniQuant, 4, ZeroPoints::kSymmetric}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(RoundingRateTest, SignRoundsRateFallsLinearlyToZeroAndOmniQuantsStays) {
  EXPECT_EQ(FitRate(RoundingFit::kSignRound, 0.02, 0, 4), 0.02);
  EXPECT_EQ(FitRate(RoundingFit::kSignRound, 0.02, 3, 4), 0.005);
  EXPECT_EQ(FitRate(RoundingFit::kOmniQuant, 0.02, 3, 4), 0.02);
}

TEST(RoundingConfinedTest, MiddleZeroPointsStayOneOrTwoAndRangesHaveGradients) {
  const StepCase confined{"", RoundingFit::kSignRound, 2, ZeroPoints::kMiddle};
  const StepState state = RandomState(confined, 50);
  const QuantizedLinear derived = *state.linear.Derive();
  const at::Tensor zero = ToTensor(derived.zeros, at::kFloat, at::kCPU);
  EXPECT_TRUE(zero.ge(1).logical_and(zero.le(2)).all().item<bool>());
  EXPECT_TRUE(state.linear.low().grad().isfinite().all().item<bool>());
  EXPECT_GT(state.linear.high().grad().abs().sum().item<double>(), 0);
}

}  // namespace
}  // namespace lwq::qat
