// SPDX-License-Identifier: Apache-2.0
// What a run that prepares its blocks searches with (recipe field prepare; docs/prepare.md). None of it follows from
// the run's own widths, groups or method, so that all runs on the same calibration windows share the search (ADR 31).
//
// Pure; thread-safe.
#pragma once

#include <cstdint>

#include "common/model/llama_config.h"
#include "common/recipe/recipe.h"
#include "common/task/task_params.h"

namespace lwq::coordinator {

// Whether later tasks work scales into the blocks.
bool Prepares(const Recipe& recipe);

// The width that scales are searched at, whatever the run's own.
inline constexpr int kScaleSearchBits = 3;

// The first windows whose tokens the error is measured on: about 4096 tokens, one window at least.
int64_t ScaleErrorSamples(const Recipe& recipe);

// Channels' magnitudes are those of all train windows, groups those that the model has by default.
SearchScalesParams ScaleSearchOf(const Recipe& recipe, const LlamaConfig& model, int64_t block);

}  // namespace lwq::coordinator
