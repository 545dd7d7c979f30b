// SPDX-License-Identifier: Apache-2.0
// Products on packed panels against products in float64, with every instruction set of this CPU that has them.
#include "worker/qat/gemm/gemm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>

#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/qat/tensor_checks.h"
#include "worker/qat/device/threads.h"

namespace lwq::qat {
namespace {

std::vector<InstructionSet> GemmInstructionSets() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : AvailableInstructionSets()) {
    if (set >= InstructionSet::kAvx512) sets.push_back(set);
  }
  return sets;
}

struct Sizes {
  int64_t rows, in, out;
};
// The last two's packed columns outgrow the second cache: panels of rows are multiplied together, or columns in strips.
constexpr Sizes kSizes[] = {{1, 1, 1},      {33, 64, 31},     {64, 576, 96},   {100, 49, 17},
                            {70, 130, 200}, {300, 1100, 700}, {100, 1024, 700}};

// Largest error in units of the largest sum of absolute products.
double RelativeError(const at::Tensor& got, const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor exact = at::matmul(a.to(at::kDouble), b.to(at::kDouble));
  const at::Tensor size = at::matmul(a.to(at::kDouble).abs(), b.to(at::kDouble).abs());
  return got.to(at::kDouble).sub(exact).abs().div(size).max().item<double>();
}

class GemmTest : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  double Tolerance() const { return GetParam() == at::kBFloat16 ? 4.1e-3 : 5e-7; }
  at::Tensor Random(int64_t rows, int64_t columns) const { return at::randn({rows, columns}).to(GetParam()); }
  at::Tensor Empty(int64_t rows, int64_t columns) const { return at::empty({rows, columns}, GetParam()); }
};

TEST_P(GemmTest, EveryProductOfALinearLayerAgreesWithFloat64) {
  for (const InstructionSet set : GemmInstructionSets()) {
    const ScopedInstructionSet scope(set);
    for (const Sizes& sizes : kSizes) {
      SCOPED_TRACE(std::string(InstructionSetName(set)) + " " + std::to_string(sizes.rows));
      const at::Tensor x = Random(sizes.rows, sizes.in), weight = Random(sizes.out, sizes.in);
      const at::Tensor dy = Random(sizes.rows, sizes.out);
      const at::Tensor y = Empty(sizes.rows, sizes.out), dx = Empty(sizes.rows, sizes.in);
      const at::Tensor dw = Empty(sizes.out, sizes.in);
      LinearInto(x, weight, y);
      LinearInputGradientInto(dy, weight, dx);
      LinearWeightGradientInto(dy, PackForWeightGradients(x), dw);
      EXPECT_LE(RelativeError(y, x, weight.t()), Tolerance());
      EXPECT_LE(RelativeError(dx, dy, weight), Tolerance());
      EXPECT_LE(RelativeError(dw, dy.t(), x), Tolerance());
    }
  }
}

TEST_P(GemmTest, AFloat32ResultIsNotRoundedAndTakesAnAddend) {
  for (const InstructionSet set : GemmInstructionSets()) {
    const ScopedInstructionSet scope(set);
    const at::Tensor x = Random(45, 300), weight = Random(50, 300), addend = at::randn({45, 50});
    const at::Tensor plain = at::empty({45, 50}), added = addend.clone();
    LinearInto(x, weight, plain);
    LinearInto(x, weight, added, added);
    EXPECT_LE(RelativeError(plain, x, weight.t()), 5e-7) << InstructionSetName(set);
    EXPECT_TRUE(added.equal(plain.add(addend))) << InstructionSetName(set);
  }
}

TEST_P(GemmTest, ProductsOfTheSameRowsAreThoseOfEachWeightAlone) {
  for (const InstructionSet set : GemmInstructionSets()) {
    const ScopedInstructionSet scope(set);
    const at::Tensor x = Random(300, 1100), large = Random(700, 1100), small = Random(33, 1100);
    const at::Tensor together[] = {Empty(300, 700), Empty(300, 33)}, alone[] = {Empty(300, 700), Empty(300, 33)};
    LinearsInto(x, {{large, together[0]}, {small, together[1]}});
    LinearInto(x, large, alone[0]);
    LinearInto(x, small, alone[1]);
    EXPECT_TRUE(together[0].equal(alone[0])) << InstructionSetName(set);
    EXPECT_TRUE(together[1].equal(alone[1])) << InstructionSetName(set);
  }
}

TEST_P(GemmTest, BitsDependNeitherOnThreadsNorOnTheOtherRows) {
  for (const InstructionSet set : GemmInstructionSets()) {
    const ScopedInstructionSet scope(set);
    const at::Tensor x = Random(300, 200), weight = Random(150, 200);
    const at::Tensor one = Empty(300, 150), two = Empty(300, 150), few = Empty(7, 150);
    {
      const ScopedThreads threads(1);
      LinearInto(x, weight, one);
      LinearInto(x.narrow(0, 111, 7), weight, few);
    }
    const ScopedThreads threads(2);
    LinearInto(x, weight, two);
    EXPECT_TRUE(one.equal(two)) << InstructionSetName(set);
    EXPECT_TRUE(one.narrow(0, 111, 7).equal(few)) << InstructionSetName(set);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, GemmTest, ::testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return std::string(c10::toString(type.param)); });

}  // namespace
}  // namespace lwq::qat
