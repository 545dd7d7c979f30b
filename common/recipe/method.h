// SPDX-License-Identifier: Apache-2.0
// What the methods of a run have and need: one row each. Pure values, constexpr.
#pragma once

#include <array>
#include <cstddef>

#include "common/recipe/choices.h"

namespace lwq {

struct MethodTraits {
  Method method = Method::kNoop;
  bool needs_model = false;
  bool needs_calibration = false;  // a calibration text, whatever else the recipe asks for
  bool quantizes = false;          // the model's blocks, so that there is something to export
  bool trains = false;             // them
  bool reads_activations = false;  // quantizes each block by what it reads: its tasks come with the calibration chain
  bool reads_targets = false;      // and by what it gives in full precision
  bool evaluates = false;          // the model that comes out of it may be measured
};

inline constexpr std::array<MethodTraits, AllChoices<Method>().size()> kMethods = {{
    {.method = Method::kBlockAp,
     .needs_model = true,
     .needs_calibration = true,
     .quantizes = true,
     .trains = true,
     .reads_activations = true,
     .reads_targets = true,
     .evaluates = true},
    {.method = Method::kRtn, .needs_model = true, .quantizes = true, .evaluates = true},
    {.method = Method::kGptq,
     .needs_model = true,
     .needs_calibration = true,
     .quantizes = true,
     .reads_activations = true,
     .evaluates = true},
    {.method = Method::kSignRound,
     .needs_model = true,
     .needs_calibration = true,
     .quantizes = true,
     .reads_activations = true,
     .reads_targets = true,
     .evaluates = true},
    {.method = Method::kOmniQuant,
     .needs_model = true,
     .needs_calibration = true,
     .quantizes = true,
     .reads_activations = true,
     .reads_targets = true,
     .evaluates = true},
    {.method = Method::kSensitivity, .needs_model = true, .needs_calibration = true},
    {.method = Method::kNone, .needs_model = true, .evaluates = true},
    {.method = Method::kNoop},
}};

constexpr bool EveryMethodHasItsRow() {
  for (const Method method : AllChoices<Method>()) {
    if (kMethods[static_cast<size_t>(method)].method != method) return false;
  }
  return true;
}
static_assert(EveryMethodHasItsRow());

constexpr const MethodTraits& TraitsOf(Method method) {
  return kMethods[static_cast<size_t>(method)];
}

}  // namespace lwq
