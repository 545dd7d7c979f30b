// SPDX-License-Identifier: Apache-2.0
// The fused optimizer against PyTorch's own and against the at:: reference.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/optim/adamw.h>
#include <torch/version.h>

#include <cstring>
#include <limits>
#include <vector>

#include "tests/unit/qat/tensor_checks.h"
#include "worker/qat/device/cpu_features.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/quant/adamw.h"

namespace lwq::qat {
namespace {

const std::vector<std::vector<int64_t>> kShapes = {{3}, {1, 1}, {40, 33}, {16, 1}, {200, 401}, {512, 300}};

std::vector<at::Tensor> MakeParameters(uint64_t seed) {
  at::Generator generator = Seeded(seed);
  std::vector<at::Tensor> parameters;
  for (const auto& shape : kShapes) parameters.push_back(at::randn(shape, generator).requires_grad_());
  return parameters;
}

// Gradients of step `step`: of very different sizes, some zero.
void SetGradients(const std::vector<at::Tensor>& parameters, int step) {
  at::Generator generator = Seeded(1000 + static_cast<uint64_t>(step));
  for (const at::Tensor& parameter : parameters) {
    at::Tensor grad =
        at::randn(parameter.sizes(), generator) * at::pow(10.0, at::rand(parameter.sizes(), generator) * 8 - 8);
    grad.flatten()[0] = 0;
    parameter.mutable_grad() = grad;
  }
}

constexpr int kSteps = 25;
constexpr double kLr[2] = {1e-4, 2e-5};
constexpr double kDecay[2] = {0.0, 0.01};

int GroupOf(size_t parameter) {
  return parameter % 2 == 0 ? 0 : 1;
}

std::vector<at::Tensor> RunOurs(InstructionSet set, int threads) {
  const ScopedInstructionSet use(set);
  const ScopedThreads with(threads);
  std::vector<at::Tensor> parameters = MakeParameters(1);
  AdamW optimizer({}, {{kLr[0], kDecay[0]}, {0, kDecay[1]}});
  for (size_t i = 0; i < parameters.size(); ++i) optimizer.AddParameter(parameters[i], GroupOf(i));
  for (int step = 0; step < kSteps; ++step) {
    optimizer.SetLr(1, kLr[1] / (step + 1));
    SetGradients(parameters, step);
    optimizer.Step();
    optimizer.ZeroGrad();
  }
  return parameters;
}

std::vector<at::Tensor> RunPyTorch() {
  std::vector<at::Tensor> parameters = MakeParameters(1);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  for (const int group : {0, 1}) {
    std::vector<at::Tensor> members;
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (GroupOf(i) == group) members.push_back(parameters[i]);
    }
    auto options = std::make_unique<torch::optim::AdamWOptions>(kLr[group]);
    options->weight_decay(kDecay[group]);
    groups.emplace_back(members, std::move(options));
  }
  torch::optim::AdamW optimizer(groups, torch::optim::AdamWOptions(kLr[0]));
  for (int step = 0; step < kSteps; ++step) {
    static_cast<torch::optim::AdamWOptions&>(optimizer.param_groups()[1].options()).lr(kLr[1] / (step + 1));
    SetGradients(parameters, step);
    optimizer.step();
  }
  return parameters;
}

double LargestDifference(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, (a[i] - b[i]).abs().max().item<double>());
  return largest;
}

bool SameBytes(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(a[i].data_ptr(), b[i].data_ptr(), a[i].nbytes()) != 0) return false;
  }
  return true;
}

// Since LibTorch computes square roots with MKL, which does not round all of them correctly (seen with 2.15), an ulp of
// parameters up to 2.
constexpr double kRounding = TORCH_VERSION_MAJOR >= 2 ? 1.2e-7 : 3e-8;

TEST(AdamW, FollowsPyTorchsOptimizerWithinRounding) {
  const std::vector<at::Tensor> want = RunPyTorch();
  const std::vector<at::Tensor> got = RunOurs(ActiveInstructionSet(), 1);
  EXPECT_GT(LargestDifference(want, MakeParameters(1)), 1e-4);  // the parameters did move
  EXPECT_LE(LargestDifference(got, want), kRounding);
}

TEST(AdamW, HasTheSameBitsOnEveryInstructionSetAndThreadCount) {
  const std::vector<at::Tensor> want = RunOurs(InstructionSet::kScalar, 1);
  for (const InstructionSet set : AvailableInstructionSets()) {
    for (const int threads : {1, 2}) {
      EXPECT_TRUE(SameBytes(RunOurs(set, threads), want)) << InstructionSetName(set) << " threads " << threads;
    }
  }
}

TEST(AdamW, FusedStepAgreesWithTheOperatorReference) {
  at::Generator generator = Seeded(3);
  at::Tensor fused = at::randn({77, 13}, generator).requires_grad_();
  at::Tensor slow = fused.detach().clone();
  at::Tensor exp_avg = at::zeros({77, 13});
  at::Tensor exp_avg_sq = at::zeros({77, 13});
  AdamW optimizer({}, {{1e-3, 0.1}});
  optimizer.AddParameter(fused, 0);
  for (int step = 1; step <= 10; ++step) {
    fused.mutable_grad() = at::randn({77, 13}, generator);
    AdamWStepReference({}, {1e-3, 0.1}, step, fused.grad(), slow, exp_avg, exp_avg_sq);
    optimizer.Step();
  }
  EXPECT_LE((fused - slow).abs().max().item<float>(), 2.4e-7);  // an ulp of values up to 4
}

TEST(AdamW, AParameterWithoutGradientKeepsItsValueAndItsStepCount) {
  at::Tensor a = at::zeros({5}).requires_grad_();
  at::Tensor b = at::zeros({5}).requires_grad_();
  AdamW optimizer({}, {{0.1, 0}});
  optimizer.AddParameter(a, 0);
  optimizer.AddParameter(b, 0);
  a.mutable_grad() = at::zeros({5}) + 2;
  optimizer.Step();
  EXPECT_TRUE((b == 0).all().item<bool>());
  b.mutable_grad() = at::zeros({5}) + 2;
  a.mutable_grad().reset();
  const at::Tensor a_before = a.detach().clone();
  optimizer.Step();
  EXPECT_TRUE(a.equal(a_before));
  EXPECT_TRUE(b.equal(a_before));  // its first step is as large as a's first step was
}

TEST(AdamW, NanGradientsReachTheParameters) {
  for (const InstructionSet set : AvailableInstructionSets()) {
    const ScopedInstructionSet use(set);
    at::Tensor a = at::zeros({20}).requires_grad_();
    AdamW optimizer({}, {{0.1, 0}});
    optimizer.AddParameter(a, 0);
    a.mutable_grad() = at::zeros({20});
    a.mutable_grad()[18] = std::numeric_limits<float>::quiet_NaN();
    optimizer.Step();
    EXPECT_EQ(a.isnan().sum().item<int64_t>(), 1) << InstructionSetName(set);
    EXPECT_TRUE(a[18].isnan().item<bool>());
  }
}

TEST(AdamW, ZeroGradDropsTheGradients) {
  at::Tensor a = at::zeros({5}).requires_grad_();
  AdamW optimizer({}, {{0.1, 0}});
  optimizer.AddParameter(a, 0);
  a.mutable_grad() = at::zeros({5});
  optimizer.ZeroGrad();
  EXPECT_FALSE(a.grad().defined());
}

TEST(AdamW, MetaTensorsTakeTheOperatorReference) {
  at::Tensor a = at::zeros({5}, at::TensorOptions().device(at::kMeta)).requires_grad_();
  AdamW optimizer({}, {{0.1, 0}});
  optimizer.AddParameter(a, 0);
  a.mutable_grad() = at::zeros({5}, at::TensorOptions().device(at::kMeta));
  optimizer.Step();
  EXPECT_TRUE(a.is_meta());
}

}  // namespace
}  // namespace lwq::qat
