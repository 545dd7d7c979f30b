// SPDX-License-Identifier: Apache-2.0
// A pass over the samples of a shard: what is read fits together, cancellation is looked at before each sample and
// progress told after it.
//
// Samples are computed one at a time, so that their numbers depend on nothing but themselves: not on the shard they lie
// in, nor on their neighbours in a batch. Everything throws StatusError; call inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "worker/qat/api/execution.h"

namespace lwq::qat {

struct ShardShape {
  int64_t samples = 0;
  int64_t seqlen = 0;
};

// INVALID_ARGUMENT unless the set holds activations of the model, at least one sample with at least two tokens.
ShardShape CheckShard(const LlamaConfig& config, const SampleSource& activations);
// INVALID_ARGUMENT, naming `what`, unless the set holds as many samples of the same shape.
void CheckActivationsFit(const LlamaConfig& config, const SampleSource& source, const ShardShape& shard,
                         std::string_view what);
void CheckTokensFit(const SampleSource& tokens, const ShardShape& shard);

// INVALID_ARGUMENT for a block outside the model.
void CheckBlockIndex(const LlamaConfig& config, int64_t block);

// One sample's token ids, int64 [seqlen]. INVALID_ARGUMENT for one outside the vocabulary.
at::Tensor ReadIds(const LlamaConfig& config, SampleSource& tokens, int64_t sample, at::Device device);

class SamplePass {
 public:
  // `steps`: samples of all ForEach together.
  SamplePass(int64_t steps, const ProgressSink& progress, const CancelToken& cancel)
      : steps_(steps), progress_(progress), cancel_(cancel) {}

  // body(i) for i = 0 … samples − 1.
  void ForEach(int64_t samples, absl::FunctionRef<void(int64_t sample)> body);

 private:
  int64_t steps_;
  const ProgressSink& progress_;
  const CancelToken& cancel_;
  int64_t done_ = 0;
};

}  // namespace lwq::qat
