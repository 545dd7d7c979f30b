// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/qat/model_random_block.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>

#include "gtest/gtest.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/device/host_tensor.h"

namespace lwq::qat {
namespace {

// The process's one call of InitRuntime.
class RuntimeEnvironment : public ::testing::Environment {
 public:
  void SetUp() override {
    RuntimeOptions options;
    options.max_threads = 1;
    const Status status = InitRuntime(options);
    LWQ_CHECK(status.ok(), status.ToString());
  }
};
const auto* const kRuntime = ::testing::AddGlobalTestEnvironment(new RuntimeEnvironment);

void Must(const Status& status) {
  LWQ_CHECK(status.ok(), status.ToString());
}

MemorySamples Outputs(const LlamaConfig& config, const std::vector<BlockState>& unit, MemorySamples in) {
  for (const BlockState& block : unit) {
    MemorySamples out(DType::kF32, in.sample_shape());
    Must(AdvanceBlock(config, block, in, out, AdvanceOptions{}, nullptr, CancelToken{}));
    in = std::move(out);
  }
  return in;
}

}  // namespace

LlamaConfig RandomConfig(const Shape& shape) {
  LlamaConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = shape.hidden;
  config.intermediate_size = shape.intermediate;
  config.num_hidden_layers = shape.layers;
  config.num_attention_heads = shape.heads;
  config.num_key_value_heads = shape.kv_heads;
  config.head_dim = shape.hidden / shape.heads;
  config.vocab_size = shape.vocab;
  config.has_bias.fill(shape.has_extras);
  config.query_key_norms = shape.has_extras;
  return config;
}

at::Tensor RandomTensor(std::vector<int64_t> shape, uint64_t seed, double deviation) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat).mul(deviation);
}

HostTensor RandomHostTensor(std::vector<int64_t> shape, uint64_t seed, double deviation) {
  return ToHostTensor(RandomTensor(std::move(shape), seed, deviation));
}

BlockState RandomBlock(const LlamaConfig& config, uint64_t seed) {
  BlockState block;
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(config, kind);
    block.linears[kind] = RandomHostTensor({shape.out_features, shape.in_features}, seed++,
                                           1 / std::sqrt(static_cast<double>(shape.in_features)));
  }
  block.input_norm = ToHostTensor(RandomTensor({config.hidden_size}, seed++, 0.1).add(1));
  block.post_attention_norm = ToHostTensor(RandomTensor({config.hidden_size}, seed++, 0.1).add(1));
  for (const LinearKind kind : kAllLinears) {
    if (!config.HasBias(kind)) continue;
    block.biases[kind] = RandomHostTensor({ShapeOf(config, kind).out_features}, seed++, 0.2);
  }
  if (!config.query_key_norms) return block;
  block.query_norm = ToHostTensor(RandomTensor({config.head_dim}, seed++, 0.1).add(1));
  block.key_norm = ToHostTensor(RandomTensor({config.head_dim}, seed, 0.1).add(1));
  return block;
}

MemorySamples RandomSamples(const LlamaConfig& config, int64_t samples, int64_t seqlen, uint64_t seed) {
  MemorySamples set(DType::kF32, {seqlen, config.hidden_size});
  if (samples > 0) Must(set.Append(RandomHostTensor({samples, seqlen, config.hidden_size}, seed)));
  return set;
}

MemorySamples RandomTokens(const LlamaConfig& config, int64_t windows, int64_t seqlen, uint64_t seed) {
  MemorySamples set(DType::kI32, {seqlen});
  Must(set.Append(
      ToHostTensor(at::randint(config.vocab_size, {windows, seqlen}, at::detail::createCPUGenerator(seed), at::kInt))));
  return set;
}

at::Tensor AllOf(const MemorySamples& samples) {
  MemorySamples source = samples;
  const auto all = source.Read(0, source.samples());
  Must(all.status());
  return ToTensor(*all, at::kFloat, at::kCPU);
}

TrainingSet RandomTrainingSet(const LlamaConfig& config, const BlockState& block, int64_t train, int64_t val,
                              int64_t seqlen, uint64_t seed) {
  return RandomTrainingSet(config, std::vector<BlockState>{block}, train, val, seqlen, seed);
}

TrainingSet RandomTrainingSet(const LlamaConfig& config, const std::vector<BlockState>& unit, int64_t train,
                              int64_t val, int64_t seqlen, uint64_t seed) {
  const MemorySamples train_in = RandomSamples(config, train, seqlen, seed);
  const MemorySamples val_in = RandomSamples(config, val, seqlen, seed + 1);
  return {train_in, Outputs(config, unit, train_in), val_in, Outputs(config, unit, val_in)};
}

bool SameBytes(const HostTensor& a, const HostTensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.bytes.view() == b.bytes.view();
}

namespace {

bool SameLinears(const LinearWeight& a, const LinearWeight& b) {
  if (a.index() != b.index()) return false;
  if (const auto* plain = std::get_if<HostTensor>(&a)) return SameBytes(*plain, std::get<HostTensor>(b));
  const auto& x = std::get<QuantizedLinear>(a);
  const auto& y = std::get<QuantizedLinear>(b);
  return SameBytes(x.codes, y.codes) && SameBytes(x.scales, y.scales) && SameBytes(x.zeros, y.zeros);
}

}  // namespace

bool SameBytes(const BlockState& a, const BlockState& b) {
  for (const LinearKind kind : kAllLinears) {
    if (!SameLinears(a.linears.at(kind), b.linears.at(kind))) return false;
  }
  if (a.biases.size() != b.biases.size()) return false;
  for (const auto& [kind, bias] : a.biases) {
    if (!b.biases.contains(kind) || !SameBytes(bias, b.biases.at(kind))) return false;
  }
  const auto norms = NormsOf(a), others = NormsOf(b);
  return std::equal(norms.begin(), norms.end(), others.begin(), others.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first && SameBytes(*x.second, *y.second); });
}

}  // namespace lwq::qat
