// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "worker/qat/api/block_ops.h"
#include "worker/qat/evaluate/window_pass.h"
#include "worker/qat/model/head_loss.h"

namespace lwq::qat {

StatusOr<std::vector<double>> MeasureWindowLosses(const LlamaConfig& config, const HeadWeights& head,
                                                  const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                                  SampleSource& tokens, const PerplexityOptions& options,
                                                  const ProgressSink& progress, const CancelToken& cancel) {
  std::vector<double> losses;
  LWQ_RETURN_IF_ERROR(PassWindows("measuring perplexity", {config, head, load_block}, tokens, options, progress, cancel,
                                  [&](const WindowsAtHead& windows) {
                                    AppendLosses(config, windows, &losses);
                                    return absl::OkStatus();
                                  }));
  return losses;
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
