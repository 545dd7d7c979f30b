// SPDX-License-Identifier: Apache-2.0
// All windows of a text through a model: embedded, passed through block after block, and given, a micro-batch at a
// time, to whoever measures something at the head. What perplexity and divergence have in common.
//
// Blocks are loaded one at a time; between two blocks the activations of all windows are in a file (ActivationSpill).
// One thread. What the body throws is what the pass returns, as TorchGuard has it.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string_view>
#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/model/head_loss.h"

namespace lwq::qat {

struct PassedModel {
  const LlamaConfig& config;
  const HeadWeights& head;
  const std::function<StatusOr<BlockState>(int64_t)>& load_block;
};

// A micro-batch at the head: `first` is its first window.
struct WindowsAtHead {
  const HeadTensors& head;
  int64_t first;
  at::Tensor hidden;  // [windows, seqlen, hidden] float32, before the final norm
  at::Tensor ids;     // [windows, seqlen] int64
};

// Their losses (head_loss.h), behind those that are there.
void AppendLosses(const LlamaConfig& config, const WindowsAtHead& windows, std::vector<double>* losses);

// `what` is for messages: "measuring perplexity". INVALID_ARGUMENT where there is no window, a window has less than two
// tokens, or the head does not fit the model; CANCELLED; what load_block and the body return.
Status PassWindows(std::string_view what, const PassedModel& model, SampleSource& tokens,
                   const PerplexityOptions& options, const ProgressSink& progress, const CancelToken& cancel,
                   const std::function<Status(const WindowsAtHead&)>& body);

}  // namespace lwq::qat
