// SPDX-License-Identifier: Apache-2.0
// The parts of Block-AP on a block of SmolLM2-135M (hidden 576, 9 query heads on 3 key/value heads of 64, intermediate
// 1536), whose products are so small that everything around them counts: a step of 2 windows of 512 tokens by its
// parts, and a forward pass without gradients.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>

#include <vector>

#include "tests/bench/qat/timing.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/train/unit_trainer.h"

namespace lwq::qat::bench {
namespace {

constexpr int64_t kSmallBatch = 2;
constexpr int64_t kSmallSeqlen = 512;
constexpr double kSmallRate = 1e-3;

LlamaConfig SmolConfig() {
  LlamaConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 9;
  config.num_key_value_heads = 3;
  config.head_dim = 64;
  config.vocab_size = 49152;
  return config;
}

BlockState SmolBlock(const LlamaConfig& config) {
  BlockState block;
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(config, kind);
    block.linears[kind] = ToHostTensor(at::randn({shape.out_features, shape.in_features}) * 0.05);
  }
  block.input_norm = ToHostTensor(at::ones({config.hidden_size}));
  block.post_attention_norm = ToHostTensor(at::ones({config.hidden_size}));
  return block;
}

void SmallStep(benchmark::State& state, Precision precision) {
  const LlamaConfig config = SmolConfig();
  TrainOptions options;
  options.weight_lr = 1e-5;
  options.bits = 2;
  options.group_size = 64;
  options.execution.precision = precision;
  UnitTrainer trainer(config, {SmolBlock(config)}, options, kSmallSeqlen, at::kCPU);
  const at::Tensor in = at::randn({kSmallBatch, kSmallSeqlen, config.hidden_size});
  const at::Tensor target = at::randn({kSmallBatch, kSmallSeqlen, config.hidden_size});
  std::vector<double> gradient_seconds, norm_seconds, step_seconds, total_seconds;
  for (auto _ : state) {
    gradient_seconds.push_back(Seconds([&] { trainer.Accumulate(in, target, 1); }));
    norm_seconds.push_back(Seconds([&] { benchmark::DoNotOptimize(trainer.GradNorm()); }));
    step_seconds.push_back(Seconds([&] { trainer.Step({kSmallRate, kSmallRate, kSmallRate}); }));
    total_seconds.push_back(gradient_seconds.back() + norm_seconds.back() + step_seconds.back());
    state.SetIterationTime(total_seconds.back());
  }
  state.counters["best_ms"] = Best(total_seconds) * 1e3;
  state.counters["gradient_ms"] = Best(gradient_seconds) * 1e3;
  state.counters["norm_ms"] = Best(norm_seconds) * 1e3;
  state.counters["adamw_ms"] = Best(step_seconds) * 1e3;
}

void SmallForward(benchmark::State& state, Precision precision) {
  const c10::NoGradGuard no_grad;
  const LlamaConfig config = SmolConfig();
  const int64_t seqlen = state.range(0);
  const BlockTensors block = LoadBlock(config, SmolBlock(config), ComputeType(precision), at::kCPU);
  const SequenceTables tables = MakeSequenceTables(config, seqlen, at::kCPU);
  const at::Tensor in = at::randn({1, seqlen, config.hidden_size});
  std::vector<double> seconds;
  for (auto _ : state) {
    seconds.push_back(Seconds([&] { benchmark::DoNotOptimize(BlockForward(config, block, tables, in).data_ptr()); }));
    state.SetIterationTime(seconds.back());
  }
  state.counters["best_ms"] = Best(seconds) * 1e3;
  state.counters["us_per_token"] = Best(seconds) * 1e6 / static_cast<double>(seqlen);
}

BENCHMARK_CAPTURE(SmallStep, fp32, Precision::kF32)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(40);
BENCHMARK_CAPTURE(SmallStep, bf16, Precision::kBF16)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(40);
void Seqlens(benchmark::internal::Benchmark* bench) {
  bench->Arg(512)->Arg(2048)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(20);
}
BENCHMARK_CAPTURE(SmallForward, fp32, Precision::kF32)->Apply(Seqlens);
BENCHMARK_CAPTURE(SmallForward, bf16, Precision::kBF16)->Apply(Seqlens);

}  // namespace
}  // namespace lwq::qat::bench
