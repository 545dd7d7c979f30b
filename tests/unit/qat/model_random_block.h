// SPDX-License-Identifier: Apache-2.0
// Random blocks, samples and token windows for unit tests: equal seeds give equal bytes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/train_block.h"

namespace lwq::qat {

struct Shape {
  int64_t hidden = 32;
  int64_t intermediate = 48;
  int64_t heads = 4;
  int64_t kv_heads = 2;
  int64_t layers = 2;
  int64_t vocab = 64;
  bool has_extras = false;  // biases of all seven linears, norms of queries and keys
};
LlamaConfig RandomConfig(const Shape& shape = {});

// Normal values with this standard deviation, float32.
at::Tensor RandomTensor(std::vector<int64_t> shape, uint64_t seed, double deviation = 1);
HostTensor RandomHostTensor(std::vector<int64_t> shape, uint64_t seed, double deviation = 1);

// Linears with standard deviation 1/√in, biases of 0.2, norms near 1.
BlockState RandomBlock(const LlamaConfig& config, uint64_t seed);

MemorySamples RandomSamples(const LlamaConfig& config, int64_t samples, int64_t seqlen, uint64_t seed);
MemorySamples RandomTokens(const LlamaConfig& config, int64_t windows, int64_t seqlen, uint64_t seed);

// All samples of a set as one float32 tensor.
at::Tensor AllOf(const MemorySamples& samples);

// Inputs of a block, or of a unit of several, and the outputs of its full-precision self.
struct TrainingSet {
  MemorySamples train_in, train_target, val_in, val_target;
  TrainInputs inputs() { return {&train_in, &train_target, &val_in, &val_target}; }
};
TrainingSet RandomTrainingSet(const LlamaConfig& config, const BlockState& block, int64_t train, int64_t val,
                              int64_t seqlen, uint64_t seed);
TrainingSet RandomTrainingSet(const LlamaConfig& config, const std::vector<BlockState>& unit, int64_t train,
                              int64_t val, int64_t seqlen, uint64_t seed);

bool SameBytes(const HostTensor& a, const HostTensor& b);
bool SameBytes(const BlockState& a, const BlockState& b);

}  // namespace lwq::qat
