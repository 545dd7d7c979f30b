// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "worker/qat/api/prepare.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/products.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/prepare/scaled_linears.h"
#include "worker/qat/quant/fake_quant.h"
#include "worker/qat/quant/quantizer_reference.h"
#include "worker/qat/sensitivity/inner_product.h"

namespace lwq::qat {
namespace {

constexpr size_t kSources = std::size(kScaledSources);
// A channel counts as at least this share of the largest, so that one that is always 0 does not decide the others'
// common factor.
constexpr double kLeastShare = 1e-4;

const at::Tensor& InputOf(const LinearInputs& inputs, ScaledSource source) {
  switch (source) {
    case ScaledSource::kInputNorm:
      return inputs.qkv;
    case ScaledSource::kValues:
      return inputs.o;
    case ScaledSource::kPostAttentionNorm:
      return inputs.gate_up;
    case ScaledSource::kUp:
      return inputs.down;
  }
  LWQ_CHECK(false, "no source ", static_cast<int>(source));
}

// What the linears behind a source read.
struct SourceInputs {
  at::Tensor sum;     // float64 [columns]: of |x| over all tokens
  at::Tensor tokens;  // float32 [tokens of the error, columns]
};
using BlockInputs = std::array<SourceInputs, kSources>;

class Search {
 public:
  Search(const LlamaConfig& config, const BlockState& block, SampleSource& activations,
         const ScaleSearchOptions& options, at::Device device, const ProgressSink& progress, const CancelToken& cancel)
      : config_(config),
        activations_(activations),
        options_(options),
        device_(device),
        progress_(progress),
        cancel_(cancel),
        seqlen_(CheckActivations(config, activations, "activations")) {
    Check();
    weights_ = LoadBlock(config, block, at::kFloat, device);
  }

  ScaleSearch Run() {
    BlockInputs inputs = ReadInputs();
    ScaleSearch search;
    for (const ScaledSource source : kScaledSources) {
      SourceInputs& of_source = inputs[static_cast<size_t>(source)];
      SearchSource(source, of_source, search);
      of_source = {};
    }
    return search;
  }

 private:
  void Check() const {
    CheckBits(options_.bits);
    for (const LinearKind kind : kAllLinears) {
      ResolveGroupSize(ShapeOf(config_, kind).in_features, options_.group_size);
    }
    if (options_.steps < 1) {
      throw StatusError(absl::InvalidArgumentError(
          absl::StrCat("a search of scales in ", options_.steps, " steps: there must be one at least")));
    }
    if (options_.error_samples >= 1 && options_.error_samples <= activations_.samples()) return;
    throw StatusError(absl::InvalidArgumentError(absl::StrCat("the error is to be measured on ", options_.error_samples,
                                                              " samples of ", activations_.samples())));
  }

  // One forward pass of the block.
  BlockInputs ReadInputs() {
    const SequenceTables tables = MakeSequenceTables(config_, seqlen_, device_);
    BlockInputs inputs;
    for (int64_t sample = 0; sample < activations_.samples(); ++sample) {
      ThrowIfCancelled(cancel_);
      const LinearInputs read =
          InputsOfLinears(config_, weights_, tables, ReadSamples(activations_, sample, 1, device_));
      for (const ScaledSource source : kScaledSources) {
        AddInput(InputOf(read, source)[0], sample, inputs[static_cast<size_t>(source)]);
      }
      Report();
    }
    return inputs;
  }

  // x [seqlen, columns].
  void AddInput(const at::Tensor& x, int64_t sample, SourceInputs& inputs) const {
    if (!inputs.sum.defined()) {
      inputs.sum = at::zeros({x.size(1)}, x.options().dtype(at::kDouble));
      inputs.tokens = at::empty({options_.error_samples * seqlen_, x.size(1)}, x.options());
    }
    inputs.sum.add_(x.abs().sum(0));
    if (sample < options_.error_samples) inputs.tokens.narrow(0, sample * seqlen_, seqlen_).copy_(x);
  }

  // Mean magnitudes by channel, float64; all 1 where nothing flows.
  at::Tensor Magnitudes(ScaledSource source, const SourceInputs& inputs) const {
    const auto tokens = static_cast<double>(activations_.samples() * seqlen_);
    const at::Tensor means = ChannelMeans(config_, source, inputs.sum.div(tokens));
    const double largest = means.max().item<double>();
    if (!std::isfinite(largest)) {
      throw StatusError(absl::FailedPreconditionError(
          absl::StrCat("the inputs of what reads ", ScaledSourceName(source), " are not finite")));
    }
    return largest > 0 ? means.clamp_min(kLeastShare * largest) : at::ones_like(means);
  }

  void SearchSource(ScaledSource source, const SourceInputs& inputs, ScaleSearch& search) {
    const at::Tensor magnitudes = Magnitudes(source, inputs);
    SourceScales& found = search.found[static_cast<size_t>(source)];
    at::Tensor best;
    for (int64_t step = 0; step <= options_.steps; ++step) {
      const double exponent = static_cast<double>(step) / static_cast<double>(options_.steps);
      const at::Tensor powers = magnitudes.pow(exponent);
      const double middle = std::sqrt(powers.max().item<double>() * powers.min().item<double>());
      const at::Tensor scales = powers.div(middle).to(at::kFloat);
      const double error = ErrorOf(source, scales, inputs.tokens);
      if (step == 0) found.error_as_is = error;
      if (step == 0 || error < found.error) {
        found.error = error;
        found.exponent = exponent;
        best = scales;
      }
      Report();
    }
    search.scales[static_cast<size_t>(source)] = ToHostTensor(best.cpu());
  }

  double ErrorOf(ScaledSource source, const at::Tensor& scales, const at::Tensor& tokens) const {
    const at::Tensor columns = ColumnScales(config_, source, scales);
    double error = 0;
    for (const LinearKind kind : kAllLinears) {
      if (SourceReadBy(kind) != source) continue;
      ThrowIfCancelled(cancel_);
      const at::Tensor difference = Linear(tokens, WeightError(weights_[kind], columns));
      error += InnerProduct(difference, difference);
    }
    if (std::isfinite(error)) return error;
    throw StatusError(absl::FailedPreconditionError(
        absl::StrCat("the error of what reads ", ScaledSourceName(source), " is ", error)));
  }

  // Q(W·s)/s − W.
  at::Tensor WeightError(const at::Tensor& weight, const at::Tensor& columns) const {
    const at::Tensor scaled = weight.mul(columns);
    const QuantizerInit init = InitQuantizer(scaled, options_.bits, options_.group_size, /*range_contains_zero=*/true,
                                             kMinScale, options_.zero_points);
    at::Tensor rounded = FakeQuant(scaled, RoundScaleToFp16Ste(init.scale), init.zero_point, options_.bits,
                                   options_.group_size, at::kFloat);
    return rounded.sub_(scaled).div_(columns);
  }

  void Report() {
    ++done_;
    if (!progress_) return;
    const int64_t steps = activations_.samples() + static_cast<int64_t>(kSources) * (options_.steps + 1);
    progress_({.stage = "search", .step = done_, .steps = steps, .loss = std::numeric_limits<double>::quiet_NaN()});
  }

  const LlamaConfig& config_;
  SampleSource& activations_;
  const ScaleSearchOptions& options_;
  at::Device device_;
  const ProgressSink& progress_;
  const CancelToken& cancel_;
  int64_t seqlen_;
  int64_t done_ = 0;
  BlockTensors weights_;
};

}  // namespace

StatusOr<ScaleSearch> SearchScales(const LlamaConfig& config, const BlockState& block, SampleSource& activations,
                                   const ScaleSearchOptions& options, const ProgressSink& progress,
                                   const CancelToken& cancel) {
  return TorchGuard("searching scales", [&]() -> StatusOr<ScaleSearch> {
    const c10::NoGradGuard no_grad;
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    return Search(config, block, activations, options, device, progress, cancel).Run();
  });
}

}  // namespace lwq::qat
