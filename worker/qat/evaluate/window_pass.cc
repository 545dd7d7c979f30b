// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/evaluate/window_pass.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <limits>

#include "worker/qat/device/device.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/evaluate/activation_spill.h"
#include "worker/qat/evaluate/check_head.h"
#include "worker/qat/evaluate/embed_rows.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"

namespace lwq::qat {
namespace {

class WindowPass {
 public:
  WindowPass(const PassedModel& model, SampleSource& tokens, const PerplexityOptions& options, at::Device device,
             const ProgressSink& progress, const CancelToken& cancel)
      : config_(model.config),
        model_(model),
        tokens_(tokens),
        options_(options),
        compute_type_(ComputeType(options.execution.precision)),
        device_(device),
        progress_(progress),
        cancel_(cancel),
        seqlen_(CheckTokens(tokens, 2)),
        spill_(options.scratch_directory, seqlen_, config_.hidden_size) {}

  Status Run(const std::function<Status(const WindowsAtHead&)>& body) {
    EmbedWindows();
    const SequenceTables tables = MakeSequenceTables(config_, seqlen_, device_);
    for (int64_t k = 0; k < config_.num_hidden_layers; ++k) {
      LWQ_ASSIGN_OR_RETURN(const BlockState state, model_.load_block(k));
      const BlockTensors block = LoadBlock(config_, state, compute_type_, device_);
      ForEachMicroBatch([&](int64_t first, int64_t count) {
        spill_.Write(first, BlockForwardForLosses(config_, block, tables, spill_.Read(first, count, device_)));
      });
    }
    const HeadTensors head = LoadHead(config_, model_.head, compute_type_, device_);
    ForEachMicroBatch([&](int64_t first, int64_t count) {
      OrThrow(body({.head = head,
                    .first = first,
                    .hidden = spill_.Read(first, count, device_),
                    .ids = ToTensor(OrThrow(tokens_.Read(first, count)), at::kLong, device_)}));
    });
    return absl::OkStatus();
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
      const HostTensor rows = OrThrow(EmbedRows(config_, model_.head.embedding, OrThrow(tokens_.Read(first, count))));
      spill_.Write(first, ToTensor(rows, at::kFloat, at::kCPU));
    });
  }

  const LlamaConfig& config_;
  const PassedModel& model_;
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

void AppendLosses(const LlamaConfig& config, const WindowsAtHead& windows, std::vector<double>* losses) {
  const std::vector<double> scored = SampleLosses(config, windows.head, windows.hidden, windows.ids);
  losses->insert(losses->end(), scored.begin(), scored.end());
}

Status PassWindows(std::string_view what, const PassedModel& model, SampleSource& tokens,
                   const PerplexityOptions& options, const ProgressSink& progress, const CancelToken& cancel,
                   const std::function<Status(const WindowsAtHead&)>& body) {
  return TorchGuard(what, [&]() -> Status {
    const c10::NoGradGuard no_grad;
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    LWQ_RETURN_IF_ERROR(CheckHead(model.config, model.head));
    CheckMicroBatch(options.micro_batch);
    if (tokens.samples() == 0) {
      return absl::InvalidArgumentError(absl::StrCat("there are no token windows for ", what));
    }
    return WindowPass(model, tokens, options, device, progress, cancel).Run(body);
  });
}

}  // namespace lwq::qat
