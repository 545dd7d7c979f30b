// SPDX-License-Identifier: Apache-2.0
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "worker/qat/api/block_ops.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/evaluate/activation_spill.h"
#include "worker/qat/evaluate/check_head.h"
#include "worker/qat/evaluate/embed_rows.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/head_loss.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"

namespace lwq::qat {
namespace {

// One evaluation: embed all windows, pass them through block after block, score them.
class Evaluation {
 public:
  Evaluation(const LlamaConfig& config, const HeadWeights& head, SampleSource& tokens, const PerplexityOptions& options,
             at::Device device, const ProgressSink& progress, const CancelToken& cancel)
      : config_(config),
        head_(head),
        tokens_(tokens),
        options_(options),
        compute_type_(ComputeType(options.execution.precision)),
        device_(device),
        progress_(progress),
        cancel_(cancel),
        seqlen_(CheckTokens(tokens, 2)),
        spill_(options.scratch_directory, seqlen_, config.hidden_size) {}

  StatusOr<std::vector<double>> Run(const std::function<StatusOr<BlockState>(int64_t)>& load_block) {
    EmbedWindows();
    const SequenceTables tables = MakeSequenceTables(config_, seqlen_, device_);
    for (int64_t k = 0; k < config_.num_hidden_layers; ++k) {
      LWQ_ASSIGN_OR_RETURN(const BlockState state, load_block(k));
      const BlockTensors block = LoadBlock(config_, state, compute_type_, device_);
      ForEachMicroBatch([&](int64_t first, int64_t count) {
        spill_.Write(first, BlockForwardForLosses(config_, block, tables, spill_.Read(first, count, device_)));
      });
    }
    return ScoreWindows();
  }

 private:
  template <typename Body>
  void ForEachMicroBatch(Body body) {
    for (int64_t first = 0; first < tokens_.samples(); first += options_.micro_batch) {
      ThrowIfCancelled(cancel_);
      const int64_t count = std::min(options_.micro_batch, tokens_.samples() - first);
      body(first, count);
      done_ += count;
      if (progress_) {
        progress_({.stage = "evaluate",
                   .step = done_,
                   .steps = tokens_.samples() * (config_.num_hidden_layers + 2),
                   .loss = std::numeric_limits<double>::quiet_NaN()});
      }
    }
  }

  void EmbedWindows() {
    ForEachMicroBatch([&](int64_t first, int64_t count) {
      const HostTensor rows = OrThrow(EmbedRows(config_, head_.embedding, OrThrow(tokens_.Read(first, count))));
      spill_.Write(first, ToTensor(rows, at::kFloat, at::kCPU));
    });
  }

  std::vector<double> ScoreWindows() {
    const HeadTensors head = LoadHead(config_, head_, compute_type_, device_);
    std::vector<double> losses;
    ForEachMicroBatch([&](int64_t first, int64_t count) {
      const at::Tensor hidden = spill_.Read(first, count, device_);
      const at::Tensor ids = ToTensor(OrThrow(tokens_.Read(first, count)), at::kLong, device_);
      const std::vector<double> scored = SampleLosses(config_, head, hidden, ids);
      losses.insert(losses.end(), scored.begin(), scored.end());
    });
    return losses;
  }

  const LlamaConfig& config_;
  const HeadWeights& head_;
  SampleSource& tokens_;
  const PerplexityOptions& options_;
  at::ScalarType compute_type_;
  at::Device device_;
  const ProgressSink& progress_;
  const CancelToken& cancel_;
  int64_t seqlen_;
  ActivationSpill spill_;
  int64_t done_ = 0;
};

}  // namespace

StatusOr<std::vector<double>> MeasureWindowLosses(const LlamaConfig& config, const HeadWeights& head,
                                                  const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                                  SampleSource& tokens, const PerplexityOptions& options,
                                                  const ProgressSink& progress, const CancelToken& cancel) {
  return TorchGuard("measuring perplexity", [&]() -> StatusOr<std::vector<double>> {
    const c10::NoGradGuard no_grad;
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    LWQ_RETURN_IF_ERROR(CheckHead(config, head));
    CheckMicroBatch(options.micro_batch);
    if (tokens.samples() == 0) return absl::InvalidArgumentError("there are no token windows to measure perplexity on");
    return Evaluation(config, head, tokens, options, device, progress, cancel).Run(load_block);
  });
}

PerplexityResult PerplexityOf(const std::vector<double>& losses, int64_t seqlen) {
  const auto windows = static_cast<int64_t>(losses.size());
  PerplexityResult result{.windows = windows, .tokens = windows * seqlen};
  for (const double loss : losses) result.nll_sum += loss;
  result.perplexity = std::exp(result.nll_sum / static_cast<double>(windows));
  return result;
}

StatusOr<PerplexityResult> EvaluatePerplexity(const LlamaConfig& config, const HeadWeights& head,
                                              const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                              SampleSource& tokens, const PerplexityOptions& options,
                                              const ProgressSink& progress, const CancelToken& cancel) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<double> losses,
                       MeasureWindowLosses(config, head, load_block, tokens, options, progress, cancel));
  return PerplexityOf(losses, tokens.sample_shape()[0]);
}

}  // namespace lwq::qat
