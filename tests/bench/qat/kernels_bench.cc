// SPDX-License-Identifier: Apache-2.0
// Fake-quant and AdamW in GB/s, each against a memcpy that moves the same number of bytes, on the same threads and kind
// of memory.
//
// Bytes an element moves: forward reads fp32 and writes fp32 or bf16 (8, 6); backward reads the weight and the upstream
// gradient and writes the weight's (12, 10); AdamW reads parameter, gradient and two moments and writes three of them
// (28).
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstring>
#include <functional>
#include <vector>

#include "tests/bench/qat/timing.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/quant/adamw.h"
#include "worker/qat/quant/fake_quant.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat::bench {
namespace {

constexpr int kBits = 3;
constexpr int64_t kGroup = 128;

// A copy of `bytes / 2`, which moves `bytes`, on LibTorch's threads.
class Memcpy {
 public:
  explicit Memcpy(int64_t bytes)
      : half_(bytes / 2), from_(at::zeros({half_}, at::kByte)), to_(at::zeros({half_}, at::kByte)) {}
  void operator()() const {
    constexpr int64_t kGrain = 128 << 10;
    auto* to = to_.data_ptr<uint8_t>();
    const auto* from = from_.data_ptr<uint8_t>();
    ParallelFor(half_, kGrain, [&](int64_t first, int64_t last) {
      std::memcpy(to + first, from + first, static_cast<size_t>(last - first));
    });
    benchmark::ClobberMemory();
  }

 private:
  int64_t half_;
  at::Tensor from_, to_;
};

void Compare(
    benchmark::State& state, int64_t bytes, const std::function<void()>& work,
    const std::function<void()>& before_each = [] {}) {
  const Memcpy copy(bytes);
  for (int i = 0; i < 3; ++i) {
    before_each();
    work();
    copy();
  }
  std::vector<double> work_seconds, copy_seconds;
  for (auto _ : state) {
    before_each();
    work_seconds.push_back(Seconds(work));
    state.SetIterationTime(work_seconds.back());
    copy_seconds.push_back(Seconds(copy));
  }
  const double giga = static_cast<double>(bytes) / 1e9;
  state.counters["GB_per_s"] = giga / Best(work_seconds);
  state.counters["memcpy_GB_per_s"] = giga / Best(copy_seconds);
  state.counters["share_of_memcpy"] = Best(copy_seconds) / Best(work_seconds);
}

struct Quantizer {
  explicit Quantizer(int64_t n) : weight(at::randn({n, n})) {
    const QuantizerInit init = InitQuantizer(weight, kBits, kGroup, true);
    scale = init.scale;
    zero_point = init.zero_point;
  }
  at::Tensor weight, scale, zero_point;
};

void FakeQuantForward(benchmark::State& state, at::ScalarType dtype) {
  const int64_t n = state.range(0);
  const Quantizer q(n);
  const c10::NoGradGuard no_grad;
  const int64_t element_bytes = dtype == at::kFloat ? 8 : 6;
  Compare(state, n * n * element_bytes, [&] {
    benchmark::DoNotOptimize(FakeQuant(q.weight, q.scale, q.zero_point, kBits, kGroup, dtype).data_ptr());
  });
}

void FakeQuantBackward(benchmark::State& state, at::ScalarType dtype) {
  const int64_t n = state.range(0);
  Quantizer q(n);
  for (at::Tensor* tensor : {&q.weight, &q.scale, &q.zero_point}) tensor->set_requires_grad(true);
  const at::Tensor upstream = at::randn({n, n}).to(dtype);
  const int64_t element_bytes = dtype == at::kFloat ? 12 : 10;
  at::Tensor out;
  Compare(
      state, n * n * element_bytes,
      [&] {
        const auto gradients = torch::autograd::grad({out}, {q.weight, q.scale, q.zero_point}, {upstream});
        benchmark::DoNotOptimize(gradients[0].data_ptr());
      },
      [&] { out = FakeQuant(q.weight, q.scale, q.zero_point, kBits, kGroup, dtype); });
}

void AdamWStep(benchmark::State& state) {
  const int64_t n = state.range(0);
  constexpr int kTensors = 4;
  AdamW optimizer({}, {{1e-5, 0}});
  for (int i = 0; i < kTensors; ++i) {
    at::Tensor parameter = at::randn({n, n}).requires_grad_();
    parameter.mutable_grad() = at::randn({n, n});
    optimizer.AddParameter(parameter, 0);
  }
  constexpr int64_t kElementBytes = 28;
  Compare(state, kTensors * n * n * kElementBytes, [&] { optimizer.Step(); });
}

BENCHMARK_CAPTURE(FakeQuantForward, fp32, at::kFloat)->Arg(1024)->Arg(4096)->UseManualTime();
BENCHMARK_CAPTURE(FakeQuantForward, bf16, at::kBFloat16)->Arg(1024)->Arg(4096)->UseManualTime();
BENCHMARK_CAPTURE(FakeQuantBackward, fp32, at::kFloat)->Arg(1024)->Arg(4096)->UseManualTime();
BENCHMARK_CAPTURE(FakeQuantBackward, bf16, at::kBFloat16)->Arg(1024)->Arg(4096)->UseManualTime();
BENCHMARK(AdamWStep)->Arg(1024)->Arg(4096)->UseManualTime();

}  // namespace
}  // namespace lwq::qat::bench
