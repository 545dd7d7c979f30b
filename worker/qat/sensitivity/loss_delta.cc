// SPDX-License-Identifier: Apache-2.0
#include <c10/core/GradMode.h>

#include "worker/qat/api/sensitivity.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/evaluate/activation_spill.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/head_loss.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/sensitivity/sample_pass.h"

namespace lwq::qat {
namespace {

// The model as it is and every model with one block replaced, side by side through the rest of the blocks. Variant 0 is
// the model as it is; sample i of variant v is spilled at v × samples + i.
class Variants {
 public:
  Variants(const LlamaConfig& config, SampleSource& activations, const SensitivityOptions& options, at::Device device,
           int64_t variants, int64_t later_blocks, const ProgressSink& progress, const CancelToken& cancel)
      : config_(config),
        activations_(activations),
        device_(device),
        shard_(CheckShard(config, activations)),
        variants_(variants),
        tables_(MakeSequenceTables(config, shard_.seqlen, device)),
        spill_(options.scratch_directory, shard_.seqlen, config.hidden_size),
        pass_(shard_.samples * variants * (later_blocks + 2), progress, cancel) {}

  const ShardShape& shard() const { return shard_; }

  // The replaced block's outputs as the beginning of a variant.
  void Begin(int64_t variant, const BlockState& state) {
    const BlockTensors block = LoadBlock(config_, state, at::kFloat, device_);
    pass_.ForEach(shard_.samples, [&](int64_t sample) {
      spill_.Write(variant * shard_.samples + sample,
                   BlockForwardForLosses(config_, block, tables_, ReadSamples(activations_, sample, 1, device_)));
    });
  }

  void Advance(const BlockState& state) {
    const BlockTensors block = LoadBlock(config_, state, at::kFloat, device_);
    pass_.ForEach(variants_ * shard_.samples, [&](int64_t at) {
      spill_.Write(at, BlockForwardForLosses(config_, block, tables_, spill_.Read(at, 1, device_)));
    });
  }

  // Σ l_i of every variant.
  std::vector<double> LossSums(const HeadWeights& head, SampleSource& tokens) {
    const HeadTensors tensors = LoadHead(config_, head, at::kFloat, device_);
    std::vector<double> sums(static_cast<size_t>(variants_));
    pass_.ForEach(variants_ * shard_.samples, [&](int64_t at) {
      const at::Tensor ids = ReadIds(config_, tokens, at % shard_.samples, device_);
      sums[static_cast<size_t>(at / shard_.samples)] +=
          SampleLoss(config_, tensors, spill_.Read(at, 1, device_)[0], ids);
    });
    return sums;
  }

 private:
  const LlamaConfig& config_;
  SampleSource& activations_;
  at::Device device_;
  ShardShape shard_;
  int64_t variants_;
  SequenceTables tables_;
  ActivationSpill spill_;
  SamplePass pass_;
};

}  // namespace

StatusOr<LossDeltaResult> LossDelta(const LlamaConfig& config, const HeadWeights& head, int64_t block,
                                    const BlockLoader& load_block,
                                    const std::vector<std::function<StatusOr<BlockState>()>>& candidates,
                                    SampleSource& activations, SampleSource& tokens, const SensitivityOptions& options,
                                    const ProgressSink& progress, const CancelToken& cancel) {
  return TorchGuard("measuring losses", [&]() -> StatusOr<LossDeltaResult> {
    const c10::NoGradGuard no_grad;
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    CheckBlockIndex(config, block);
    const auto count = static_cast<int64_t>(candidates.size());
    Variants variants(config, activations, options, device, count + 1, config.num_hidden_layers - block - 1, progress,
                      cancel);
    CheckTokensFit(tokens, variants.shard());
    for (int64_t variant = 0; variant <= count; ++variant) {
      LWQ_ASSIGN_OR_RETURN(const BlockState state, variant == 0 ? load_block(block) : candidates[variant - 1]());
      variants.Begin(variant, state);
    }
    for (int64_t later = block + 1; later < config.num_hidden_layers; ++later) {
      LWQ_ASSIGN_OR_RETURN(const BlockState state, load_block(later));
      variants.Advance(state);
    }
    std::vector<double> sums = variants.LossSums(head, tokens);
    return LossDeltaResult{sums[0], {sums.begin() + 1, sums.end()}};
  });
}

}  // namespace lwq::qat
