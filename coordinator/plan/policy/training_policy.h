// SPDX-License-Identifier: Apache-2.0
// What a block's training gets: epochs, learning rates, patience.
//
// Per training unit, from its score alone (r = ratio). Names of proposals: docs/policies.md.
//   adaptive_epochs        epochs · (1 + 0.25·r)                                                     Workflow
//   adaptive_lr_scaling    both learning rates · normalised score                          Knowledge, LayerWise-QAT
//   SGRA                   epochs · (1 + √r); learning rates / (1 + 0.5·r); patience 2 + 3·r        SG-MPQ
//   joint (SGRA and MPQ)   epochs · (1 + 0.3·(b−2)/6); rates · (1 + 0.2·(b−2)/6); patience + 2 where b > 4   SG-MPQ
// Enabled policies are applied in this order, each to what the one before it gave. zp_lr, which no proposal has, is
// scaled like quant_lr: both belong to the quantization parameters. Nothing is truncated: 2.5 epochs are 2.5.
//
// The author's program (…OfAuthor) computes in float32, truncates epochs and patience after every step, sets weight_lr
// to a tenth of quant_lr, and scales joint's boost by the widths that occur in this model instead of 2…8.
//
// Pure and deterministic; thread-safety: values. `units`, ratios and bits run in parallel.
#pragma once

#include <vector>

namespace lwq::coordinator {

struct TrainingSettings {
  double epochs = 0;
  double quant_lr = 0;
  double zp_lr = 0;
  double weight_lr = 0;
  double patience = 0;  // validations; 0 = early stopping is off
};

void ApplyAdaptiveEpochs(const std::vector<double>& ratios, std::vector<TrainingSettings>& units);
// `normalized` as NormalizedScores gives it.
void ApplyAdaptiveLearningRates(const std::vector<double>& normalized, std::vector<TrainingSettings>& units);
void ApplySgra(const std::vector<double>& ratios, std::vector<TrainingSettings>& units);
// `bits` may be fractional: a unit of several blocks has their mean.
void ApplyJoint(const std::vector<double>& bits, std::vector<TrainingSettings>& units);

void ApplyAdaptiveEpochsOfAuthor(const std::vector<float>& ratios, std::vector<TrainingSettings>& units);
void ApplySgraOfAuthor(const std::vector<float>& ratios, std::vector<TrainingSettings>& units);
void ApplyJointOfAuthor(const std::vector<double>& bits, std::vector<TrainingSettings>& units);

}  // namespace lwq::coordinator
