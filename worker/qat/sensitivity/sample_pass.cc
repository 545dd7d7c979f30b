// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/sensitivity/sample_pass.h"

#include <limits>

#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/streaming.h"

namespace lwq::qat {
namespace {

void CheckSizes(int64_t samples, int64_t seqlen, const ShardShape& shard, std::string_view what) {
  if (samples == shard.samples && seqlen == shard.seqlen) return;
  throw StatusError(absl::InvalidArgumentError(
      absl::StrCat(what, " are ", samples, " samples of ", seqlen, " tokens, the activations ", shard.samples, " of ",
                   shard.seqlen, ": they belong to different shards or calibration sets")));
}

}  // namespace

ShardShape CheckShard(const LlamaConfig& config, const SampleSource& activations) {
  const ShardShape shard{activations.samples(), CheckActivations(config, activations, "activations")};
  if (shard.samples >= 1 && shard.seqlen >= 2) return shard;
  throw StatusError(absl::InvalidArgumentError(
      absl::StrCat("activations are ", shard.samples, " samples of ", shard.seqlen,
                   " tokens: sensitivity needs at least one sample, and a next token in each")));
}

void CheckActivationsFit(const LlamaConfig& config, const SampleSource& source, const ShardShape& shard,
                         std::string_view what) {
  const int64_t seqlen = CheckActivations(config, source, what);
  CheckSizes(source.samples(), seqlen, shard, what);
}

void CheckTokensFit(const SampleSource& tokens, const ShardShape& shard) {
  const int64_t seqlen = CheckTokens(tokens, 2);
  CheckSizes(tokens.samples(), seqlen, shard, "token windows");
}

void CheckBlockIndex(const LlamaConfig& config, int64_t block) {
  if (block >= 0 && block < config.num_hidden_layers) return;
  throw StatusError(absl::InvalidArgumentError(
      absl::StrCat("block ", block, " is outside a model of ", config.num_hidden_layers, " blocks")));
}

at::Tensor ReadIds(const LlamaConfig& config, SampleSource& tokens, int64_t sample, at::Device device) {
  const at::Tensor ids = ToTensor(OrThrow(tokens.Read(sample, 1)), at::kLong, at::kCPU)[0];
  for (const int64_t id : {ids.min().item<int64_t>(), ids.max().item<int64_t>()}) {
    if (id >= 0 && id < config.vocab_size) continue;
    throw StatusError(
        absl::InvalidArgumentError(absl::StrCat("token ", id, " is outside the vocabulary of ", config.vocab_size,
                                                ": were the tokens made with another model's tokenizer?")));
  }
  return ids.to(device);
}

void SamplePass::ForEach(int64_t samples, absl::FunctionRef<void(int64_t sample)> body) {
  for (int64_t sample = 0; sample < samples; ++sample) {
    ThrowIfCancelled(cancel_);
    body(sample);
    ++done_;
    if (progress_) {
      progress_(
          {.stage = "sensitivity", .step = done_, .steps = steps_, .loss = std::numeric_limits<double>::quiet_NaN()});
    }
  }
}

}  // namespace lwq::qat
