// SPDX-License-Identifier: Apache-2.0
// Block-AP against trajectories of EfficientQAT's own loop on PyTorch 1.13.1 (tests/numerics/README.md), which bring
// their tolerances along.
//
// Rounding is a discontinuity: from the first code that flips on, only the level of the loss is reproducible, and how
// far that is was measured by repeating each reference run with another thread count, in float64 and with a changed
// last bit. Hence the per-run tolerances.
#pragma once

#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tests/numerics/qat/blockap_run.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/streaming.h"
#include "worker/qat/quant/quantizer_reference.h"
#include "worker/qat/train/unit_trainer.h"

namespace lwq::qat {

// Adam divides by the gradient's size: where it is rounding noise, the parameter moves by up to the learning rate
// either way.
inline constexpr double kNoiseGradient = 1e-9;

// Reproduces the run that is the test's parameter.
class BlockApTest : public ::testing::TestWithParam<const char*> {
 protected:
  using Tensors = std::map<std::string, at::Tensor>;

  void SetUp() override {
    LWQ_NEEDS_REFERENCE();
    static const Json* const trajectories = new Json(ReadJson(ReferenceDirectory() + "/blockap_trajectory.json"));
    static const SafetensorsFile* const tensors =
        new SafetensorsFile(OpenSafetensors(ReferenceDirectory() + "/blockap_tensors.safetensors"));
    expected_ = &(*trajectories)["runs"][GetParam()];
    tensors_ = tensors;
  }

  const Json& tolerance() const { return (*expected_)["tolerance"]; }
  bool HasTensor(const std::string& name) const {
    return tensors_->Contains(std::string(GetParam()) + ".block0." + name);
  }
  at::Tensor Expected(const std::string& name) const {
    const auto tensor = tensors_->Get(std::string(GetParam()) + ".block0." + name);
    LWQ_CHECK(tensor.ok(), tensor.status().ToString());
    return ToTensor(*tensor, at::kFloat, at::kCPU);
  }

  static double MaxDifference(const at::Tensor& a, const at::Tensor& b) { return a.sub(b).abs().max().item<double>(); }
  static Tensors Values(const UnitTrainer& trainer) {
    Tensors values;
    for (const auto& parameter : trainer.blocks()[0].parameters()) {
      values[parameter.name] = parameter.tensor.detach().clone();
    }
    return values;
  }
  // Undefined where the parameter is frozen.
  static Tensors Gradients(const UnitTrainer& trainer) {
    Tensors gradients;
    for (const auto& parameter : trainer.blocks()[0].parameters()) {
      if (parameter.tensor.grad().defined()) gradients[parameter.name] = parameter.tensor.grad().clone();
    }
    return gradients;
  }

  // The loop of TrainBlock on block 0, with a look inside.
  struct Inside {
    std::vector<double> losses;
    Tensors gradients0, after0, after1, after2, last;
    double quant_lr_sum = 0, weight_lr_sum = 0;
  };
  static Inside TrainInside(const BlockApRun& run, BlockData& data, const TrainOutcome& outcome) {
    const TrainOptions options = run.options(0);
    UnitTrainer trainer(run.model().config, {run.model().blocks[0]}, options, data.train_in.sample_shape()[0],
                        at::kCPU);
    Inside inside;
    inside.after0 = Values(trainer);
    const int64_t batches = PlannedSteps(1, data.train_in.samples(), options.batch_size);
    for (int64_t step = 0; step < outcome.steps; ++step) {
      const int64_t first = step % batches * options.batch_size;
      const int64_t count = std::min(options.batch_size, data.train_in.samples() - first);
      const at::Tensor in = ReadSamples(data.train_in, first, count, at::kCPU);
      const at::Tensor target = ReadSamples(data.train_target, first, count, at::kCPU);
      inside.losses.push_back(trainer.Accumulate(in, target, 1).item<double>());
      if (step == 0) inside.gradients0 = Gradients(trainer);
      const auto rate = [&](double base) {
        return LearningRate(options.lr_schedule, base, options.min_lr_factor, step, outcome.steps_planned);
      };
      trainer.Step(
          {.quant = rate(options.quant_lr), .zero_point = rate(options.quant_lr), .weight = rate(options.weight_lr)});
      inside.quant_lr_sum += rate(options.quant_lr);
      inside.weight_lr_sum += rate(options.weight_lr);
      if (step == 0) inside.after1 = Values(trainer);
      if (step == 1) inside.after2 = Values(trainer);
    }
    inside.last = Values(trainer);
    return inside;
  }

  void ExpectFirstSteps(const Inside& inside) const {
    for (const auto& [name, value] : inside.after0) {
      if (!HasTensor("init." + name)) continue;
      EXPECT_TRUE(value.equal(Expected("init." + name).view_as(value))) << "init " << name;
    }
    for (const auto& [name, gradient] : inside.gradients0) {
      if (!HasTensor("grad0." + name)) continue;
      const at::Tensor wanted = Expected("grad0." + name).view_as(gradient);
      EXPECT_LE(MaxDifference(gradient, wanted), 2e-5 * wanted.abs().max().item<double>()) << "gradient of " << name;
    }
    for (const auto& [name, value] : inside.after1) {
      if (HasTensor("step1." + name)) ExpectNear(inside, name, value, Expected("step1." + name), 2e-6);
    }
    for (const auto& [name, value] : inside.after2) {
      if (HasTensor("step2." + name)) ExpectNear(inside, name, value, Expected("step2." + name), 2e-6);
    }
  }

  // |value − wanted| ≤ tolerance; the sum of the learning rates where the gradient is noise.
  static void ExpectNear(const Inside& inside, const std::string& name, const at::Tensor& value,
                         const at::Tensor& wanted, double tolerance) {
    at::Tensor excess = value.sub(wanted.view_as(value)).abs();
    const auto gradient = inside.gradients0.find(name);
    if (gradient != inside.gradients0.end()) {
      const bool quant = name.find("weight_quantizer") != std::string::npos;
      const double noise = quant ? inside.quant_lr_sum : inside.weight_lr_sum;
      const at::Tensor noisy = gradient->second.abs().lt(kNoiseGradient);
      EXPECT_LE(at::where(noisy, excess, at::zeros_like(excess)).max().item<double>(), 2 * noise) << name;
      excess = at::where(noisy, at::zeros_like(excess), excess);
    }
    EXPECT_LE(excess.max().item<double>(), tolerance) << name;
  }

  void ExpectFinalParameters(const BlockApRun& run, const Inside& inside) const {
    const Json& limits = tolerance()["block0"];
    int64_t compared = 0;
    for (const auto& [name, value] : inside.last) {
      if (!HasTensor(name)) continue;
      ++compared;
      const at::Tensor wanted = Expected(name).view_as(value);
      if (name.ends_with(".scale")) {
        EXPECT_LE(value.sub(wanted).abs().div(wanted.abs()).max().item<double>(), limits["scale_max_rel"]) << name;
      } else if (name.ends_with(".zero_point")) {
        ExpectNear(inside, name, value, wanted, limits["zero_point_max_abs"]);
      } else if (name.ends_with("layernorm.weight")) {
        ExpectNear(inside, name, value, wanted, limits["norm_weight_max_abs"]);
      } else {
        ExpectNear(inside, name, value, wanted, limits["weight_max_abs"]);
        ExpectSameCodes(run, name, value, inside, limits["frac_int_codes_changed"]);
      }
    }
    EXPECT_EQ(compared == 0, !HasTensor("input_layernorm.weight"));
  }

  void ExpectSameCodes(const BlockApRun& run, const std::string& name, const at::Tensor& weight, const Inside& inside,
                       double limit) const {
    const TrainOptions options = run.options(0);
    const std::string prefix = name.substr(0, name.size() - 6) + "weight_quantizer.";
    const at::Tensor ours = QuantizeReference(weight, inside.last.at(prefix + "scale"),
                                              inside.last.at(prefix + "zero_point"), options.bits, options.group_size)
                                .codes;
    const at::Tensor theirs = QuantizeReference(Expected(name), Expected(prefix + "scale"),
                                                Expected(prefix + "zero_point"), options.bits, options.group_size)
                                  .codes;
    EXPECT_LE(ours.ne(theirs).to(at::kDouble).mean().item<double>(), limit) << name;
  }

  void ExpectSeries(const std::string& what, const std::vector<double>& ours, const Json& theirs, double rtol,
                    size_t count) const {
    for (size_t i = 0; i < std::min({count, ours.size(), theirs.size()}); ++i) {
      const double wanted = theirs[i];
      EXPECT_NEAR(ours[i], wanted, rtol * wanted) << what << " of step " << i;
    }
  }

  void ExpectBlock(int64_t k, const TrainOutcome& outcome) const {
    const Json& block = (*expected_)["blocks"][k];
    const std::string name = "block " + std::to_string(k);
    if (tolerance()["epochs_run_reproducible"]) {
      EXPECT_EQ(outcome.epochs.size(), block["epochs_run"].get<size_t>()) << name;
      EXPECT_EQ(outcome.steps, block["iterations"].get<int64_t>()) << name;
    }
    const size_t all = outcome.train_losses.size();
    ExpectSeries(name + " loss", outcome.train_losses, block["train_loss"], tolerance()["train_loss_rtol_per_block"][k],
                 all);
    for (size_t e = 0; e < std::min(outcome.epochs.size(), block["epoch"].size()); ++e) {
      const double wanted = block["epoch"][e]["val_loss"];
      EXPECT_NEAR(outcome.epochs[e].val_loss, wanted, wanted * tolerance()["val_loss_rtol_per_block"][k].get<double>())
          << name << " validation " << e;
    }
    if (k != 0) return;
    const size_t strict = tolerance()["strict_iterations_block0_at_rel_1e-4"];
    ExpectSeries("block 0 loss (first)", outcome.train_losses, block["train_loss"], 1e-5, 1);
    ExpectSeries("block 0 loss (strict)", outcome.train_losses, block["train_loss"], 1e-4, strict);
    ExpectSeries("block 0 gradient norm", outcome.grad_norms, block["grad_norm"], tolerance()["grad_norm_rtol_block0"],
                 all);
  }

  void ExpectPerplexity(double ppl) const {
    const double wanted = (*expected_)["ppl"];
    double tolerance_abs = wanted * tolerance()["ppl_rtol"].get<double>();
    for (const Json& variant : (*expected_)["ppl_all_variants"]) {
      tolerance_abs = std::max(tolerance_abs, std::abs(variant.get<double>() - wanted));
    }
    EXPECT_NEAR(ppl, wanted, tolerance_abs);
  }

  void ReproduceRun() {
    BlockApRun run((*expected_)["config"]);
    for (int64_t k = 0; k < run.blocks(); ++k) {
      BlockData data = run.NextBlockData();
      BlockData copy = data;
      const TrainOutcome outcome = run.TrainNext(std::move(data));
      ExpectBlock(k, outcome);
      if (k != 0) continue;
      const Inside inside = TrainInside(run, copy, outcome);
      EXPECT_EQ(inside.losses, outcome.train_losses) << "TrainBlock and UnitTrainer disagree";
      ExpectFirstSteps(inside);
      ExpectFinalParameters(run, inside);
    }
    ExpectPerplexity(run.Perplexity());
  }

  const Json* expected_ = nullptr;
  const SafetensorsFile* tensors_ = nullptr;
};

// A test name from a run's: '-' is not allowed in one.
inline std::string TestName(const ::testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (c == '-') c = 'm';
  }
  return name;
}

}  // namespace lwq::qat
