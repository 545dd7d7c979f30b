// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/qat/stream_boundaries.h"

namespace lwq::qat {
namespace {

template <typename T>
T Value(StatusOr<T> value) {
  LWQ_CHECK(value.ok(), value.status().ToString());
  return *std::move(value);
}

void Succeed(const Status& status) {
  LWQ_CHECK(status.ok(), status.ToString());
}

}  // namespace

Boundaries StreamBoundaries(const LlamaConfig& config, const HeadWeights& head, const std::vector<BlockState>& blocks,
                            MemorySamples tokens, const SensitivityOptions& options) {
  const CancelToken cancel;
  const std::vector<int64_t> shape = {tokens.sample_shape()[0], config.hidden_size};
  Boundaries result;
  result.activations.emplace_back(DType::kF32, shape);
  Succeed(Embed(config, head.embedding, tokens, DType::kF32, result.activations[0]));
  for (const BlockState& block : blocks) {
    MemorySamples next(DType::kF32, shape);
    Succeed(AdvanceBlock(config, block, result.activations.back(), next, AdvanceOptions{}, nullptr, cancel));
    result.activations.push_back(std::move(next));
  }
  result.gradients.assign(blocks.size() + 1, MemorySamples(DType::kF32, shape));
  result.losses = Value(
      LossGradient(config, head, result.activations.back(), tokens, result.gradients.back(), options, nullptr, cancel));
  result.blocks.resize(blocks.size());
  for (size_t k = blocks.size(); k-- > 0;) {
    result.blocks[k] =
        Value(BackwardBlock(config, blocks[k], result.activations[k], result.gradients[k + 1], &result.gradients[k],
                            /*sum_gradients=*/true, options, nullptr, cancel));
  }
  return result;
}

SampleOpener OpenFrom(const std::vector<MemorySamples>& boundaries) {
  return [&boundaries](int64_t boundary) -> StatusOr<std::unique_ptr<SampleSource>> {
    return std::make_unique<MemorySamples>(boundaries.at(static_cast<size_t>(boundary)));
  };
}

BlockLoader LoadFrom(const std::vector<BlockState>& blocks) {
  return [&blocks](int64_t block) -> StatusOr<BlockState> { return blocks.at(static_cast<size_t>(block)); };
}

MemorySamples Part(MemorySamples samples, int64_t first, int64_t count) {
  MemorySamples part(samples.dtype(), samples.sample_shape());
  Succeed(part.Append(Value(samples.Read(first, count))));
  return part;
}

}  // namespace lwq::qat
