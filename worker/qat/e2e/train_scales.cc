// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/api/train_scales.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/e2e/scale_pass.h"
#include "worker/qat/e2e/scale_tensors.h"
#include "worker/qat/evaluate/check_head.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/quant/adamw.h"

namespace lwq::qat {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Status CheckBlocks(const LlamaConfig& config, const std::vector<BlockState>& blocks) {
  if (std::ssize(blocks) != config.num_hidden_layers) {
    return absl::InvalidArgumentError(
        absl::StrCat("E2E-QP was given ", blocks.size(), " blocks of a model of ", config.num_hidden_layers));
  }
  for (size_t k = 0; k < blocks.size(); ++k) CheckQuantized(config, static_cast<int64_t>(k), blocks[k]);
  return absl::OkStatus();
}

Status CheckState(const std::vector<BlockState>& blocks, const ScaleState& state) {
  bool fits = state.steps >= 0 && state.blocks.size() == blocks.size();
  for (size_t k = 0; fits && k < blocks.size(); ++k) {
    const std::vector<int64_t> shape = {ScalesOf(blocks[k])};
    for (const HostTensor* tensor : {&state.blocks[k].scales, &state.blocks[k].exp_avg, &state.blocks[k].exp_avg_sq}) {
      fits = fits && tensor->dtype == DType::kF32 && tensor->shape == shape;
    }
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the state of the scales does not fit the blocks: it is of another model or of other group sizes");
}

Status CheckOptions(const TrainScalesOptions& options, const ScaleState& state) {
  if (options.steps < 1 || state.steps + options.steps > options.total_steps) {
    return absl::InvalidArgumentError(absl::StrCat("steps ", state.steps, " to ", state.steps + options.steps - 1,
                                                   " of E2E-QP are not among ", options.total_steps));
  }
  const auto is_from_0 = [](double value) { return std::isfinite(value) && value >= 0; };
  if (options.batch_size >= 1 && is_from_0(options.lr) && is_from_0(options.clip_grad) &&
      is_from_0(options.warmup_ratio) && options.warmup_ratio <= 1) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("E2E-QP with batch_size ", options.batch_size, ", lr ", options.lr,
                                                 ", clip_grad ", options.clip_grad, " and warmup_ratio ",
                                                 options.warmup_ratio, " does not exist"));
}

Status CheckWindows(SampleSource& train, SampleSource& validation) {
  if (train.samples() < 1) return absl::InvalidArgumentError("there are no token windows to train scales on");
  const int64_t seqlen = CheckTokens(train, 2);
  if (validation.samples() == 0 || CheckTokens(validation, 2) == seqlen) return absl::OkStatus();
  return absl::InvalidArgumentError("train and validation windows of E2E-QP have different lengths");
}

Status CheckInputs(const LlamaConfig& config, const HeadWeights& head, const std::vector<BlockState>& blocks,
                   const ScaleState& state, SampleSource& train, SampleSource& validation) {
  LWQ_RETURN_IF_ERROR(CheckHead(config, head));
  LWQ_RETURN_IF_ERROR(CheckBlocks(config, blocks));
  LWQ_RETURN_IF_ERROR(CheckState(blocks, state));
  return CheckWindows(train, validation);
}

std::vector<ScaleTensors> TensorsOf(const ScaleState& state, at::Device device) {
  std::vector<ScaleTensors> tensors;
  for (const BlockScaleState& block : state.blocks) {
    ScaleTensors& scales = tensors.emplace_back();
    scales.scales = ToTensor(block.scales, at::kFloat, device);
    scales.exp_avg = ToTensor(block.exp_avg, at::kFloat, device);
    scales.exp_avg_sq = ToTensor(block.exp_avg_sq, at::kFloat, device);
    scales.gradient = at::zeros_like(scales.scales);
  }
  return tensors;
}

// Windows [first, first + count) of a step.
struct Batch {
  int64_t first;
  int64_t count;
};
Batch BatchOf(int64_t step, int64_t windows, int64_t batch_size) {
  const int64_t batches = (windows + batch_size - 1) / batch_size;
  const int64_t first = step % batches * batch_size;
  return {first, std::min(batch_size, windows - first)};
}

// L2 over all blocks, in float64.
double NormOf(const std::vector<ScaleTensors>& scales) {
  double sum = 0;
  for (const ScaleTensors& block : scales) sum += block.gradient.to(at::kDouble).square().sum().item<double>();
  return std::sqrt(sum);
}

// A segment.
class Segment {
 public:
  Segment(const LlamaConfig& config, const HeadWeights& head, const std::vector<BlockState>& blocks,
          const ScaleState& state, SampleSource& train, SampleSource& validation, const TrainScalesOptions& options,
          at::Device device, const ProgressSink& progress, const CancelToken& cancel)
      : start_(blocks),
        served_(blocks),
        train_(train),
        validation_(validation),
        options_(options),
        progress_(progress),
        step_(state.steps),
        scales_(TensorsOf(state, device)),
        pass_(config, head, served_, train.sample_shape()[0], options, device, cancel) {
    Serve();
  }

  TrainScalesOutcome Run() {
    TrainScalesOutcome outcome;
    outcome.initial_val_loss = options_.validates_first ? Validate() : kNaN;
    for (int64_t i = 0; i < options_.steps; ++i) {
      const double loss = Accumulate();
      const double norm = std::isfinite(loss) ? NormOf(scales_) : kNaN;
      if (!std::isfinite(norm)) {
        outcome.diverged = ScaleDivergence{step_, loss, norm};
        return outcome;
      }
      Step(ClipFactor(norm, options_.clip_grad));
      outcome.train_losses.push_back(loss);
      outcome.grad_norms.push_back(norm);
      Tell("train", step_, loss);
    }
    outcome.final_val_loss = Validate();
    outcome.state = State();
    return outcome;
  }

  // The mean loss of the step's windows; their gradient is in scales_ then.
  double Accumulate() {
    for (ScaleTensors& block : scales_) block.gradient.zero_();
    const Batch batch = BatchOf(step_, train_.samples(), options_.batch_size);
    const double weight = 1.0 / static_cast<double>(batch.count);
    double sum = 0;
    for (int64_t window = batch.first; window < batch.first + batch.count; ++window) {
      const double loss = pass_.AddGradients(train_, window, weight, scales_);
      sum += loss;
      if (!std::isfinite(loss)) break;
      if (window + 1 < batch.first + batch.count) Tell("train", step_, loss);  // the last one tells of the step
    }
    return sum * weight;
  }

  std::vector<HostTensor> Gradients() const {
    std::vector<HostTensor> gradients;
    for (const ScaleTensors& block : scales_) gradients.push_back(ToHostTensor(block.gradient.clone()));
    return gradients;
  }

 private:
  void Step(double factor) {
    const double lr = std::ldexp(ScaleLearningRate(options_.lr, options_.warmup_ratio, step_, options_.total_steps),
                                 -options_.lr_halvings);
    ++step_;
    for (ScaleTensors& block : scales_) {
      if (factor != 1) block.gradient.mul_(factor);
      AdamWStepReference({}, {.lr = lr, .weight_decay = 0}, step_, block.gradient, block.scales, block.exp_avg,
                         block.exp_avg_sq);
    }
    Serve();
  }

  // What the forward passes see from now on.
  void Serve() {
    for (size_t k = 0; k < start_.size(); ++k) {
      served_[k] = WithScales(start_[k], scales_[k].scales, options_.fp16_scales);
    }
  }

  double Validate() {
    if (validation_.samples() == 0) return kNaN;
    double sum = 0;
    for (int64_t window = 0; window < validation_.samples(); ++window) {
      sum += pass_.Loss(validation_, window);
      Tell("validate", step_, kNaN);
    }
    return sum / static_cast<double>(validation_.samples());
  }

  ScaleState State() const {
    ScaleState state{.steps = step_, .blocks = {}};
    for (const ScaleTensors& block : scales_) {
      state.blocks.push_back({ToHostTensor(block.scales), ToHostTensor(block.exp_avg), ToHostTensor(block.exp_avg_sq)});
    }
    return state;
  }

  void Tell(const char* stage, int64_t step, double loss) const {
    if (progress_) progress_({.stage = stage, .step = step, .steps = options_.total_steps, .loss = loss});
  }

  const std::vector<BlockState>& start_;
  std::vector<BlockState> served_;
  SampleSource& train_;
  SampleSource& validation_;
  const TrainScalesOptions& options_;
  const ProgressSink& progress_;
  int64_t step_;
  std::vector<ScaleTensors> scales_;
  ScalePass pass_;
};

}  // namespace

StatusOr<ScaleState> InitialScaleState(const LlamaConfig& config, const std::vector<BlockState>& blocks) {
  return TorchGuard("reading scales", [&]() -> StatusOr<ScaleState> {
    LWQ_RETURN_IF_ERROR(CheckBlocks(config, blocks));
    ScaleState state;
    for (const BlockState& block : blocks) {
      const at::Tensor scales = JoinedScales(block, at::kCPU);
      const at::Tensor zeros = at::zeros_like(scales);
      state.blocks.push_back({ToHostTensor(scales), ToHostTensor(zeros), ToHostTensor(zeros)});
    }
    return state;
  });
}

StatusOr<std::vector<BlockState>> WithTrainedScales(const std::vector<BlockState>& blocks, const ScaleState& state,
                                                    bool fp16_scales) {
  return TorchGuard("working in scales", [&]() -> StatusOr<std::vector<BlockState>> {
    LWQ_RETURN_IF_ERROR(CheckState(blocks, state));
    std::vector<BlockState> trained;
    for (size_t k = 0; k < blocks.size(); ++k) {
      trained.push_back(WithScales(blocks[k], ToTensor(state.blocks[k].scales, at::kFloat, at::kCPU), fp16_scales));
    }
    return trained;
  });
}

StatusOr<TrainScalesOutcome> TrainScales(const LlamaConfig& config, const HeadWeights& head,
                                         const std::vector<BlockState>& blocks, const ScaleState& state,
                                         SampleSource& train, SampleSource& validation,
                                         const TrainScalesOptions& options, const ProgressSink& progress,
                                         const CancelToken& cancel) {
  return TorchGuard("training scales", [&]() -> StatusOr<TrainScalesOutcome> {
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    LWQ_RETURN_IF_ERROR(CheckInputs(config, head, blocks, state, train, validation));
    LWQ_RETURN_IF_ERROR(CheckOptions(options, state));
    return Segment(config, head, blocks, state, train, validation, options, device, progress, cancel).Run();
  });
}

StatusOr<ScaleGradients> GradientsOfScales(const LlamaConfig& config, const HeadWeights& head,
                                           const std::vector<BlockState>& blocks, const ScaleState& state,
                                           SampleSource& windows, const TrainScalesOptions& options) {
  return TorchGuard("differentiating scales", [&]() -> StatusOr<ScaleGradients> {
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    LWQ_RETURN_IF_ERROR(CheckInputs(config, head, blocks, state, windows, windows));
    const CancelToken never;
    const ProgressSink nobody;
    Segment segment(config, head, blocks, state, windows, windows, options, device, nobody, never);
    ScaleGradients gradients;
    gradients.loss = segment.Accumulate();
    gradients.blocks = segment.Gradients();
    return gradients;
  });
}

}  // namespace lwq::qat
