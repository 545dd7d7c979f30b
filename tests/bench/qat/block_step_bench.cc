// SPDX-License-Identifier: Apache-2.0
// A whole Block-AP step (forward, backward, optimizer) of one block and 512 tokens, against two things in the same run:
// - the matrix products of its seven linears alone (forward, and both products of backward), in the same precision;
// - the step as the original runs it: fake-quant as a chain of at:: operators, at::linear, per-tensor AdamW of at::
//   operators, and the C library's malloc. FLOPs are those of the linears' products: 6 × weights × tokens.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <benchmark/benchmark.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <vector>

#include "tests/bench/qat/timing.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/products.h"
#include "worker/qat/quant/adamw.h"
#include "worker/qat/quant/quantizer_reference.h"
#include "worker/qat/train/unit_trainer.h"

namespace lwq::qat::bench {
namespace {

constexpr int64_t kTokens = 512;
constexpr int64_t kHeadDim = 128;
constexpr int kBits = 2;
constexpr int64_t kGroup = 128;
constexpr double kQuantLr = 1e-4;
constexpr double kWeightLr = 1e-5;

LlamaConfig MakeConfig(int64_t hidden, int64_t intermediate) {
  LlamaConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = hidden;
  config.intermediate_size = intermediate;
  config.num_hidden_layers = 1;
  config.num_attention_heads = hidden / kHeadDim;
  config.num_key_value_heads = hidden / kHeadDim;
  config.head_dim = kHeadDim;
  config.vocab_size = 32;
  return config;
}

BlockState MakeBlock(const LlamaConfig& config) {
  BlockState block;
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(config, kind);
    block.linears[kind] = ToHostTensor(at::randn({shape.out_features, shape.in_features}) * 0.02);
  }
  block.input_norm = ToHostTensor(at::ones({config.hidden_size}));
  block.post_attention_norm = ToHostTensor(at::ones({config.hidden_size}));
  return block;
}

TrainOptions MakeOptions(Precision precision) {
  TrainOptions options;
  options.bits = kBits;
  options.group_size = kGroup;
  options.quant_lr = kQuantLr;
  options.weight_lr = kWeightLr;
  options.execution.precision = precision;
  return options;
}

// Tensors made while it lives come from malloc.
class ScopedPlainMalloc {
 public:
  ScopedPlainMalloc() : ours_(c10::GetAllocator(c10::DeviceType::CPU)) {
    c10::SetCPUAllocator(c10::GetDefaultCPUAllocator(), kPriority);
  }
  ~ScopedPlainMalloc() { c10::SetCPUAllocator(ours_, kPriority); }

 private:
  static constexpr uint8_t kPriority = 255;
  c10::Allocator* ours_;
};

// The step as EfficientQAT runs it.
class ChainStep {
 public:
  ChainStep(const LlamaConfig& config, const BlockState& block, Precision precision)
      : config_(config), type_(ComputeType(precision)), tables_(MakeSequenceTables(config, kTokens, at::kCPU)) {
    for (const LinearKind kind : kAllLinears) {
      const at::Tensor weight = LoadLinear(config, block, kind, at::kFloat, at::kCPU);
      const QuantizerInit init = InitQuantizer(weight, kBits, kGroup, false);
      for (const at::Tensor& tensor : {weight, init.scale, init.zero_point})
        Add(tensor, tensor.is_same(weight) ? kWeightLr : kQuantLr);
    }
    Add(at::ones({config.hidden_size}), kWeightLr);
    Add(at::ones({config.hidden_size}), kWeightLr);
  }

  void operator()(const at::Tensor& in, const at::Tensor& target) {
    BlockTensors block;
    size_t next = 0;
    for (at::Tensor& linear : block.linears) {
      linear = FakeQuantReference(parameters_[next].tensor, parameters_[next + 1].tensor, parameters_[next + 2].tensor,
                                  kBits, kGroup)
                   .to(type_);
      next += 3;
    }
    block.input_norm = parameters_[next].tensor;
    block.post_attention_norm = parameters_[next + 1].tensor;
    at::mse_loss(BlockForward(config_, block, tables_, in), target).backward();
    ++step_;
    for (Parameter& p : parameters_) {
      AdamWStepReference({}, {p.lr, 0}, step_, p.tensor.grad(), p.tensor, p.exp_avg, p.exp_avg_sq);
      p.tensor.mutable_grad().reset();
    }
  }

 private:
  struct Parameter {
    at::Tensor tensor, exp_avg, exp_avg_sq;
    double lr;
  };
  void Add(const at::Tensor& tensor, double lr) {
    parameters_.push_back({tensor.set_requires_grad(true), at::zeros_like(tensor), at::zeros_like(tensor), lr});
  }

  LlamaConfig config_;
  at::ScalarType type_;
  SequenceTables tables_;
  std::vector<Parameter> parameters_;
  int64_t step_ = 0;
};

// The products of the seven linears: y = x Wᵀ, dx = dy W, dW = dyᵀ x.
class Products {
 public:
  Products(const LlamaConfig& config, Precision precision) {
    for (const LinearKind kind : kAllLinears) {
      const LinearShape shape = ShapeOf(config, kind);
      const at::ScalarType type = ComputeType(precision);
      linears_.push_back({at::randn({kTokens, shape.in_features}).to(type),
                          at::randn({shape.out_features, shape.in_features}).to(type),
                          at::randn({kTokens, shape.out_features}).to(type)});
    }
  }
  void operator()() const {
    const c10::NoGradGuard no_grad;
    for (const auto& [x, weight, dy] : linears_) {
      benchmark::DoNotOptimize(at::mm(x, weight.t()).data_ptr());
      benchmark::DoNotOptimize(at::mm(dy, weight).data_ptr());
      benchmark::DoNotOptimize(at::mm(dy.t(), x).data_ptr());
    }
  }

 private:
  struct Linear {
    at::Tensor x, weight, dy;
  };
  std::vector<Linear> linears_;
};

// The best of `repeats` chain steps in memory of their own, before the others are measured: both at once need not fit.
double ChainSeconds(const LlamaConfig& config, const BlockState& block, Precision precision, int repeats) {
  const ScopedPlainMalloc malloc;
  const ScopedWidenedProducts plain(false);
  ChainStep step(config, block, precision);
  const at::Tensor in = at::randn({1, kTokens, config.hidden_size});
  const at::Tensor target = at::randn({1, kTokens, config.hidden_size});
  step(in, target);
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) seconds.push_back(Seconds([&] { step(in, target); }));
  return Best(seconds);
}

void BlockStep(benchmark::State& state, Precision precision) {
  const LlamaConfig config = MakeConfig(state.range(0), state.range(1));
  const BlockState block = MakeBlock(config);
  const double chain_seconds = ChainSeconds(config, block, precision, config.hidden_size > 2048 ? 3 : 15);

  UnitTrainer trainer(config, {block}, MakeOptions(precision), kTokens, at::kCPU);
  const at::Tensor in = at::randn({1, kTokens, config.hidden_size});
  const at::Tensor target = at::randn({1, kTokens, config.hidden_size});
  const LearningRates rates{kQuantLr, kQuantLr, kWeightLr};
  const Products products(config, precision);
  const auto step = [&] {
    trainer.Accumulate(in, target, 1);
    trainer.Step(rates);
  };
  for (int i = 0; i < 2; ++i) {
    step();
    products();
  }
  std::vector<double> step_seconds, product_seconds;
  for (auto _ : state) {
    step_seconds.push_back(Seconds(step));
    state.SetIterationTime(step_seconds.back());
    product_seconds.push_back(Seconds(products));
  }
  const double giga_flops = 6.0 * static_cast<double>(BlockLinearParameters(config) * kTokens) / 1e9;
  state.counters["GFLOP_per_s"] = giga_flops / Best(step_seconds);
  state.counters["gemm_GFLOP_per_s"] = giga_flops / Best(product_seconds);
  state.counters["share_of_gemm"] = Best(product_seconds) / Best(step_seconds);
  state.counters["chain_ms"] = chain_seconds * 1e3;
  state.counters["speedup_over_chain"] = chain_seconds / Best(step_seconds);
}

void Sizes(benchmark::internal::Benchmark* bench) {
  bench->Args({512, 1408})->Args({1024, 2816})->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(20);
}
void LargeSize(benchmark::internal::Benchmark* bench) {
  bench->Args({4096, 11008})->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(6);
}
BENCHMARK_CAPTURE(BlockStep, fp32, Precision::kF32)->Apply(Sizes);
BENCHMARK_CAPTURE(BlockStep, bf16, Precision::kBF16)->Apply(Sizes);
BENCHMARK_CAPTURE(BlockStep, fp32, Precision::kF32)->Apply(LargeSize);
BENCHMARK_CAPTURE(BlockStep, bf16, Precision::kBF16)->Apply(LargeSize);

}  // namespace
}  // namespace lwq::qat::bench
