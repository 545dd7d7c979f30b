// SPDX-License-Identifier: Apache-2.0
// The fused kernels against their slow references, on every instruction set of this CPU, with one and two threads.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/nextafter.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/qat/tensor_checks.h"
#include "worker/qat/device/cpu_features.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/quant/fake_quant.h"
#include "worker/qat/quant/kernels.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

struct Case {
  int bits;
  int64_t out, in, group_size;
  at::Tensor weight, scale, zero_point, upstream;

  std::string Name() const {
    return "bits " + std::to_string(bits) + " [" + std::to_string(out) + ", " + std::to_string(in) + "] group " +
           std::to_string(group_size);
  }
};

// Weights of many magnitudes; some exactly between two codes, some groups constant or zero; parameters partly out of
// their bounds.
Case MakeCase(uint64_t seed, int bits, int64_t out, int64_t in, int64_t group_size) {
  at::Generator generator = Seeded(seed);
  Case c{bits, out, in, group_size, {}, {}, {}, {}};
  c.weight = at::randn({out, in}, generator) * at::pow(10.0, at::rand({out, 1}, generator) * 6 - 3);
  if (out > 2) {
    c.weight[0].fill_(0.37);
    c.weight[1].zero_();
  }
  QuantizerInit init = InitQuantizer(c.weight, bits, group_size, /*range_contains_zero=*/false);
  c.scale = init.scale * (at::rand(init.scale.sizes(), generator) + 0.5);
  c.zero_point = init.zero_point + at::randn(init.zero_point.sizes(), generator);
  if (out > 4) {
    const int64_t rows = c.scale.size(0) / out;
    c.scale[3 * rows].fill_(3e-5);
    c.scale[4 * rows].fill_(-1);
    c.zero_point[3 * rows].fill_(0.5);
    c.scale[2 * rows].fill_(0.25);
    c.weight[2] = (at::randint(-9, 9, {in}, generator) + 0.5) * 0.25;  // ties
  }
  c.upstream = at::randn({out, in}, generator);
  return c;
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  uint64_t seed = 1;
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    cases.push_back(MakeCase(seed++, bits, 24, 256, 64));
    cases.push_back(MakeCase(seed++, bits, 7, 172, 4));
    cases.push_back(MakeCase(seed++, bits, 5, 37, -1));
    cases.push_back(MakeCase(seed++, bits, 33, 120, 24));
    cases.push_back(MakeCase(seed++, bits, 1, 1, 1));
  }
  cases.push_back(MakeCase(seed++, 2, 300, 512, 128));  // more than one thread's share
  return cases;
}

struct Gradients {
  at::Tensor out, weight, scale, zero_point;
};

Gradients RunCase(const Case& c, at::ScalarType dtype, bool fused) {
  at::Tensor weight = c.weight.detach().clone().requires_grad_();
  at::Tensor scale = c.scale.detach().clone().requires_grad_();
  at::Tensor zero_point = c.zero_point.detach().clone().requires_grad_();
  const at::Tensor out = fused ? FakeQuant(weight, scale, zero_point, c.bits, c.group_size, dtype)
                               : FakeQuantReference(weight, scale, zero_point, c.bits, c.group_size).to(dtype);
  const auto gradients = torch::autograd::grad({out}, {weight, scale, zero_point}, {c.upstream.to(dtype)});
  return {out.detach(), gradients[0], gradients[1], gradients[2]};
}

TEST(FakeQuantKernels, ForwardHasTheBitsOfTheReferenceChainOnEveryInstructionSet) {
  for (const InstructionSet set : AvailableInstructionSets()) {
    const ScopedInstructionSet use(set);
    for (const Case& c : Cases()) {
      for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
        const at::Tensor want = FakeQuantReference(c.weight, c.scale, c.zero_point, c.bits, c.group_size).to(dtype);
        const at::Tensor got = FakeQuant(c.weight, c.scale, c.zero_point, c.bits, c.group_size, dtype);
        EXPECT_TRUE(SameBytes(got, want)) << c.Name() << " " << InstructionSetName(set) << " " << dtype;
      }
    }
  }
}

// As devices other than the CPU compute them.
Gradients ClosedForm(const Case& c, at::ScalarType dtype) {
  const QuantizerGradients found =
      FakeQuantGradientsReference(c.weight, c.scale, c.zero_point, c.bits, c.group_size, c.upstream.to(dtype), true);
  return {{}, found.weight, found.scale, found.zero_point};
}

// Whether the fused kernels are compared, or the closed form of operators.
class FakeQuantGradients : public ::testing::TestWithParam<bool> {};

TEST_P(FakeQuantGradients, AgreeWithAutogradThroughTheReferenceChain) {
  for (const Case& c : Cases()) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const Gradients got = GetParam() ? RunCase(c, dtype, /*fused=*/true) : ClosedForm(c, dtype);
      const Gradients want = RunCase(c, dtype, /*fused=*/false);
      EXPECT_EQ(got.weight.scalar_type(), at::kFloat);
      EXPECT_TRUE(at::allclose(got.weight, want.weight, 2e-7, 0)) << c.Name() << " " << dtype;
      // A sum of n terms of the size of its largest: compare with the sum of the terms' magnitudes.
      const int64_t group = c.in / (c.scale.size(0) / c.out);
      const at::Tensor upstream = c.upstream.to(dtype).to(at::kFloat).reshape({-1, group}).abs();
      const at::Tensor s = c.scale.abs().clamp(kMinScale, kMaxScale);
      const at::Tensor ratio = c.weight.reshape({-1, group}).abs() / s;
      const at::Tensor terms = (upstream * (at::clamp(ratio, 0, 1e9) + 512)).sum(-1, true);
      EXPECT_TRUE(((got.scale - want.scale).abs() <= terms * 2e-6).all().item<bool>()) << c.Name() << " " << dtype;
      EXPECT_TRUE(((got.zero_point - want.zero_point).abs() <= (upstream * s).sum(-1, true) * 2e-6).all().item<bool>())
          << c.Name() << " " << dtype;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, FakeQuantGradients, ::testing::Bool(),
                         [](const auto& fused) { return fused.param ? "Kernels" : "Operators"; });

TEST(FakeQuantKernels, GradientsHaveTheSameBitsOnEveryInstructionSetAndThreadCount) {
  for (const Case& c : Cases()) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      std::optional<Gradients> first;
      for (const InstructionSet set : AvailableInstructionSets()) {
        for (const int threads : {1, 2}) {
          const ScopedInstructionSet use(set);
          const ScopedThreads with(threads);
          const Gradients got = RunCase(c, dtype, /*fused=*/true);
          if (!first) first = got;
          const std::string what =
              c.Name() + " " + std::string(InstructionSetName(set)) + " threads " + std::to_string(threads);
          EXPECT_TRUE(SameBytes(got.out, first->out)) << what;
          EXPECT_TRUE(SameBytes(got.weight, first->weight)) << what;
          EXPECT_TRUE(SameBytes(got.scale, first->scale)) << what;
          EXPECT_TRUE(SameBytes(got.zero_point, first->zero_point)) << what;
        }
      }
    }
  }
}

TEST(FakeQuantKernels, OutputsLargerThanTheCachesAreWrittenAroundThemWithTheSameBits) {
  const Case c = MakeCase(77, 3, 2048, 4096, 128);  // 32 MiB
  for (const InstructionSet set : AvailableInstructionSets()) {
    const ScopedInstructionSet use(set);
    const Gradients got = RunCase(c, at::kFloat, /*fused=*/true);
    const at::Tensor want = FakeQuantReference(c.weight, c.scale, c.zero_point, c.bits, c.group_size);
    EXPECT_TRUE(SameBytes(got.out, want)) << InstructionSetName(set);
    const at::Tensor half = FakeQuant(c.weight, c.scale, c.zero_point, c.bits, c.group_size, at::kBFloat16);
    EXPECT_TRUE(SameBytes(half, want.to(at::kBFloat16))) << InstructionSetName(set);
    // grad_weight is the upstream gradient or zero.
    EXPECT_TRUE(((got.weight == c.upstream) | (got.weight == 0)).all().item<bool>()) << InstructionSetName(set);
  }
}

TEST(FakeQuantKernels, NanAndInfiniteWeightsReachTheOutputOnEveryInstructionSet) {
  for (const InstructionSet set : AvailableInstructionSets()) {
    const ScopedInstructionSet use(set);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()}) {
      for (const int64_t column : {0, 17, 39}) {
        Case c = MakeCase(5, 4, 3, 40, 40);
        c.weight[2][column] = bad;
        for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
          const at::Tensor out = FakeQuant(c.weight, c.scale, c.zero_point, c.bits, c.group_size, dtype);
          EXPECT_EQ(at::isnan(out).sum().item<int64_t>(), 1) << InstructionSetName(set) << " " << bad;
          EXPECT_TRUE(at::isnan(out[2][column]).item<bool>()) << InstructionSetName(set) << " " << bad;
        }
      }
    }
  }
}

TEST(FakeQuantKernels, WeightsNextToRoundingTiesRoundAsTheExactQuotientDoes) {
  at::Generator generator = Seeded(21);
  constexpr int64_t kRows = 400, kGroupSize = 48;
  const at::Tensor scale = at::pow(10.0, at::rand({kRows, 1}, generator) * 7.9 - 3.95).to(at::kFloat);
  const at::Tensor zero_point = at::randint(0, 256, {kRows, 1}, generator).to(at::kFloat);
  // (k + 1/2) · s and the floats up to four steps on either side, as far out as the codes reach and beyond.
  at::Tensor weight = (at::randint(-600, 600, {kRows, kGroupSize}, generator) + 0.5) * scale;
  for (int64_t column = 0; column < kGroupSize; ++column) {
    at::Tensor values = weight.select(1, column);
    for (int64_t step = column % 9 - 4; step != 0; step += step < 0 ? 1 : -1) {
      values.copy_(at::nextafter(values, at::full_like(values, step < 0 ? -INFINITY : INFINITY)));
    }
  }
  const at::Tensor want = FakeQuantReference(weight, scale, zero_point, 8, kGroupSize);
  for (const InstructionSet set : AvailableInstructionSets()) {
    const ScopedInstructionSet use(set);
    EXPECT_TRUE(SameBytes(FakeQuant(weight, scale, zero_point, 8, kGroupSize, at::kFloat), want))
        << InstructionSetName(set);
  }
}

TEST(FakeQuantKernels, NanParametersReachTheWholeGroup) {
  for (const InstructionSet set : AvailableInstructionSets()) {
    const ScopedInstructionSet use(set);
    Case c = MakeCase(6, 4, 2, 32, 16);
    c.scale[1] = std::numeric_limits<float>::quiet_NaN();
    c.zero_point[2] = std::numeric_limits<float>::quiet_NaN();
    const at::Tensor out =
        FakeQuant(c.weight, c.scale, c.zero_point, c.bits, c.group_size, at::kFloat).reshape({4, 16});
    EXPECT_EQ(at::isnan(out).sum(1).toType(at::kInt).equal(at::tensor({0, 16, 16, 0}, at::kInt)), true)
        << InstructionSetName(set);
  }
}

// at::clamp passes a gradient at its bounds up to LibTorch 2.13 and none later; ours passes it with every LibTorch, or
// the first and the last code would stop training.
TEST(FakeQuant, WeightsOnTheFirstAndTheLastCodePassTheirGradient) {
  const at::Tensor steps = at::tensor({-2.0f, -1.0f, 0.0f, 1.0f, 2.0f, 3.0f}).unsqueeze(0);  // codes 0 0 1 2 3 3
  const Case c{2, 1, 6, 6, steps * 0.25, at::full({1, 1}, 0.25f), at::full({1, 1}, 1.0f), steps + 7};
  const at::Tensor want = at::tensor({0.0f, 6.0f, 7.0f, 8.0f, 9.0f, 0.0f}).unsqueeze(0);
  EXPECT_TRUE(RunCase(c, at::kFloat, /*fused=*/false).weight.equal(want));
  EXPECT_TRUE(ClosedForm(c, at::kFloat).weight.equal(want));
  for (const InstructionSet set : AvailableInstructionSets()) {
    const ScopedInstructionSet use(set);
    EXPECT_TRUE(RunCase(c, at::kFloat, /*fused=*/true).weight.equal(want)) << InstructionSetName(set);
  }
}

TEST(FakeQuant, DoubleBackwardEqualsThatOfTheReferenceChain) {
  const Case c = MakeCase(9, 3, 6, 64, 32);
  std::vector<at::Tensor> second;
  for (const bool fused : {true, false}) {
    at::Tensor weight = c.weight.detach().clone().requires_grad_();
    at::Tensor scale = c.scale.detach().clone().requires_grad_();
    at::Tensor zero_point = c.zero_point.detach().clone().requires_grad_();
    const at::Tensor out = fused ? FakeQuant(weight, scale, zero_point, c.bits, c.group_size, at::kFloat)
                                 : FakeQuantReference(weight, scale, zero_point, c.bits, c.group_size);
    const at::Tensor loss = (out * out * c.upstream).sum();
    const auto first = torch::autograd::grad({loss}, {weight, scale, zero_point}, {}, true, /*create_graph=*/true);
    const at::Tensor norm = (first[0] * first[0]).sum() + (first[1] * first[1]).sum() + (first[2] * first[2]).sum();
    for (const at::Tensor& gradient : torch::autograd::grad({norm}, {weight, scale, zero_point}))
      second.push_back(gradient);
  }
  for (size_t i = 0; i < 3; ++i) {
    const float largest = second[i + 3].abs().max().item<float>();
    EXPECT_GT(largest, 0);
    EXPECT_LE((second[i] - second[i + 3]).abs().max().item<float>(), 1e-6f * largest) << i;
  }
}

TEST(FakeQuant, MetaTensorsTakeOperatorsForwardAndBackward) {
  const auto options = at::TensorOptions().device(at::kMeta).dtype(at::kFloat);
  at::Tensor weight = at::empty({8, 64}, options).requires_grad_();
  at::Tensor scale = at::empty({16, 1}, options).requires_grad_();
  at::Tensor zero_point = at::empty({16, 1}, options).requires_grad_();
  const at::Tensor out = FakeQuant(weight, scale, zero_point, 4, 32, at::kBFloat16);
  EXPECT_TRUE(out.is_meta());
  EXPECT_EQ(out.scalar_type(), at::kBFloat16);
  const auto gradients = torch::autograd::grad({out}, {weight, scale, zero_point}, {at::ones_like(out)});
  EXPECT_EQ(gradients[0].sizes(), weight.sizes());
  EXPECT_EQ(gradients[1].sizes(), scale.sizes());
  EXPECT_TRUE(gradients[2].is_meta());
}

TEST(FakeQuant, FrozenWeightsGetNoGradientAndParametersGetTheSameOne) {
  const Case c = MakeCase(11, 4, 8, 64, 32);
  const Gradients all = RunCase(c, at::kFloat, /*fused=*/true);
  at::Tensor scale = c.scale.detach().clone().requires_grad_();
  at::Tensor zero_point = c.zero_point.detach().clone().requires_grad_();
  const at::Tensor out = FakeQuant(c.weight, scale, zero_point, c.bits, c.group_size, at::kFloat);
  out.backward(c.upstream);
  EXPECT_FALSE(c.weight.grad().defined());
  EXPECT_TRUE(SameBytes(scale.grad(), all.scale));
  EXPECT_TRUE(SameBytes(zero_point.grad(), all.zero_point));
}

TEST(FakeQuant, StridedWeightsAndUpstreamGradientsGiveTheSameAsContiguousOnes) {
  Case c = MakeCase(12, 4, 8, 64, 32);
  const Gradients want = RunCase(c, at::kFloat, /*fused=*/true);
  at::Tensor weight = c.weight.t().contiguous().t().requires_grad_();
  ASSERT_FALSE(weight.is_contiguous());
  const at::Tensor out = FakeQuant(weight, c.scale, c.zero_point, c.bits, c.group_size, at::kFloat);
  EXPECT_TRUE(SameBytes(out.detach(), want.out));
  out.backward(c.upstream.t().contiguous().t());
  EXPECT_TRUE(at::equal(weight.grad(), want.weight));
}

TEST(FakeQuant, WrongShapesTypesAndBitsAreInvalidArguments) {
  const Case c = MakeCase(13, 4, 8, 64, 32);
  const auto code = [&](const at::Tensor& weight, const at::Tensor& scale, int bits, int64_t group,
                        at::ScalarType dtype) {
    return TorchGuard("fake quant", [&] { FakeQuant(weight, scale, c.zero_point, bits, group, dtype); }).code();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code(c.weight, c.scale, 4, 32, at::kFloat), absl::StatusCode::kOk);
  EXPECT_EQ(code(c.weight, c.scale, 7, 32, at::kFloat), kInvalid);
  EXPECT_EQ(code(c.weight, c.scale, 1, 32, at::kFloat), kInvalid);
  EXPECT_EQ(code(c.weight, c.scale, 4, 33, at::kFloat), kInvalid);
  EXPECT_EQ(code(c.weight, c.scale, 4, 0, at::kFloat), kInvalid);
  EXPECT_EQ(code(c.weight, c.scale, 4, -1, at::kFloat), kInvalid);
  EXPECT_EQ(code(c.weight, c.scale, 4, 32, at::kHalf), kInvalid);
  EXPECT_EQ(code(c.weight.to(at::kDouble), c.scale, 4, 32, at::kFloat), kInvalid);
  EXPECT_EQ(code(c.weight[0], c.scale, 4, 32, at::kFloat), kInvalid);
  EXPECT_EQ(code(c.weight, c.scale.squeeze(1), 4, 32, at::kFloat), kInvalid);
}

}  // namespace
}  // namespace lwq::qat
