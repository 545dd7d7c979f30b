// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/api/divergence.h"

#include "worker/qat/device/host_tensor.h"
#include "worker/qat/evaluate/window_pass.h"
#include "worker/qat/model/head_divergence.h"
#include "worker/qat/model/streaming.h"

namespace lwq::qat {
namespace {

Status CheckReference(const LlamaConfig& config, const SampleSource& tokens, const SampleSource& reference) {
  const std::vector<int64_t>& windows = tokens.sample_shape();
  const bool fits = windows.size() == 1 && reference.dtype() == DType::kF32 &&
                    reference.samples() == tokens.samples() &&
                    reference.sample_shape() == std::vector<int64_t>{windows[0], config.hidden_size};
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the reference must be float32 hidden states of the ",
                                                 tokens.samples(), " windows that are compared, [seqlen, ",
                                                 config.hidden_size, "] each; it has ", reference.samples()));
}

}  // namespace

StatusOr<std::vector<double>> MeasureReference(const LlamaConfig& config, const HeadWeights& head,
                                               const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                               SampleSource& tokens, SampleSink& hidden,
                                               const PerplexityOptions& options, const ProgressSink& progress,
                                               const CancelToken& cancel) {
  std::vector<double> losses;
  LWQ_RETURN_IF_ERROR(PassWindows("measuring a reference", {config, head, load_block}, tokens, options, progress,
                                  cancel, [&](const WindowsAtHead& windows) {
                                    AppendLosses(config, windows, &losses);
                                    return hidden.Append(ToHostTensor(windows.hidden));
                                  }));
  return losses;
}

StatusOr<ComparedWindows> CompareWithReference(const LlamaConfig& config, const HeadWeights& head,
                                               const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                               SampleSource& tokens, SampleSource& reference,
                                               const PerplexityOptions& options, const ProgressSink& progress,
                                               const CancelToken& cancel) {
  LWQ_RETURN_IF_ERROR(CheckReference(config, tokens, reference));
  ComparedWindows compared;
  const auto compare = [&](const WindowsAtHead& windows) {
    AppendLosses(config, windows, &compared.losses);
    const int64_t count = windows.hidden.size(0);
    const at::Tensor wanted = ReadSamples(reference, windows.first, count, windows.hidden.device());
    for (int64_t i = 0; i < count; ++i) {
      compared.divergences.push_back(SampleDivergence(config, windows.head, wanted[i], windows.hidden[i]));
    }
    return absl::OkStatus();
  };
  LWQ_RETURN_IF_ERROR(PassWindows("comparing with a reference", {config, head, load_block}, tokens, options, progress,
                                  cancel, compare));
  return compared;
}

}  // namespace lwq::qat
