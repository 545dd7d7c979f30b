// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/policy/training_policy.h"

#include <algorithm>
#include <cmath>

#include "common/status/status.h"

namespace lwq::coordinator {
namespace {

void CheckParallel(size_t given, size_t units) {
  LWQ_CHECK(given == units, given, " values for ", units, " units");
}

void ScaleLearningRates(double factor, TrainingSettings& unit) {
  unit.quant_lr *= factor;
  unit.zp_lr *= factor;
  unit.weight_lr *= factor;
}

}  // namespace

void ApplyAdaptiveEpochs(const std::vector<double>& ratios, std::vector<TrainingSettings>& units) {
  CheckParallel(ratios.size(), units.size());
  for (size_t i = 0; i < units.size(); ++i) units[i].epochs *= 1 + 0.25 * ratios[i];
}

void ApplyAdaptiveLearningRates(const std::vector<double>& normalized, std::vector<TrainingSettings>& units) {
  CheckParallel(normalized.size(), units.size());
  for (size_t i = 0; i < units.size(); ++i) ScaleLearningRates(normalized[i], units[i]);
}

void ApplySgra(const std::vector<double>& ratios, std::vector<TrainingSettings>& units) {
  CheckParallel(ratios.size(), units.size());
  for (size_t i = 0; i < units.size(); ++i) {
    units[i].epochs *= 1 + std::sqrt(ratios[i]);
    ScaleLearningRates(1 / (1 + 0.5 * ratios[i]), units[i]);
    units[i].patience = 2 + 3 * ratios[i];
  }
}

void ApplyJoint(const std::vector<double>& bits, std::vector<TrainingSettings>& units) {
  CheckParallel(bits.size(), units.size());
  for (size_t i = 0; i < units.size(); ++i) {
    const double place = (bits[i] - 2) / 6;
    units[i].epochs *= 1 + 0.3 * place;
    ScaleLearningRates(1 + 0.2 * place, units[i]);
    if (bits[i] > 4) units[i].patience += 2;
  }
}

void ApplyAdaptiveEpochsOfAuthor(const std::vector<float>& ratios, std::vector<TrainingSettings>& units) {
  CheckParallel(ratios.size(), units.size());
  for (size_t i = 0; i < units.size(); ++i) {
    units[i].epochs = std::trunc(static_cast<float>(units[i].epochs) * (1.0f + 0.25f * ratios[i]));
  }
}

void ApplySgraOfAuthor(const std::vector<float>& ratios, std::vector<TrainingSettings>& units) {
  CheckParallel(ratios.size(), units.size());
  for (size_t i = 0; i < units.size(); ++i) {
    const float ratio = ratios[i];
    const float slowing = 1.0f + 0.5f * ratio;
    units[i].epochs = std::trunc(static_cast<float>(units[i].epochs) * (1.0f + std::sqrt(ratio)));
    units[i].quant_lr = static_cast<float>(units[i].quant_lr) / slowing;
    units[i].zp_lr = static_cast<float>(units[i].zp_lr) / slowing;
    units[i].weight_lr = 0.1f * static_cast<float>(units[i].quant_lr);
    units[i].patience = std::trunc(2.0f + 3.0f * ratio);
  }
}

void ApplyJointOfAuthor(const std::vector<double>& bits, std::vector<TrainingSettings>& units) {
  CheckParallel(bits.size(), units.size());
  if (bits.empty()) return;
  const auto [least, most] = std::minmax_element(bits.begin(), bits.end());
  const float low = static_cast<float>(*least);
  const float range = static_cast<float>(*most) - low + 1e-8f;
  for (size_t i = 0; i < units.size(); ++i) {
    const float place = (static_cast<float>(bits[i]) - low) / range;
    const float lr_boost = 1.0f + 0.2f * place;
    units[i].epochs = std::trunc(static_cast<float>(units[i].epochs) * (1.0f + 0.3f * place));
    units[i].quant_lr = static_cast<float>(units[i].quant_lr) * lr_boost;
    units[i].zp_lr = static_cast<float>(units[i].zp_lr) * lr_boost;
    units[i].weight_lr = static_cast<float>(units[i].weight_lr) * lr_boost;
    units[i].patience += std::trunc(2.0f * place);
  }
}

}  // namespace lwq::coordinator
