// SPDX-License-Identifier: Apache-2.0
// A small model in memory taken through the sensitivity calls block by block: what the tasks of a run make.
#pragma once

#include <vector>

#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "worker/qat/api/sensitivity.h"

namespace lwq::qat {

struct Boundaries {
  std::vector<MemorySamples> activations;  // A(0) … A(n)
  std::vector<MemorySamples> gradients;    // G(0) … G(n)
  std::vector<double> losses;              // per sample
  std::vector<BlockGradients> blocks;      // with sums
};

// Aborts when a call fails.
Boundaries StreamBoundaries(const LlamaConfig& config, const HeadWeights& head, const std::vector<BlockState>& blocks,
                            MemorySamples tokens, const SensitivityOptions& options = {});

// Gives copies of the sets: sources with a state of their own, as the files of a run are.
SampleOpener OpenFrom(const std::vector<MemorySamples>& boundaries);
BlockLoader LoadFrom(const std::vector<BlockState>& blocks);

// Samples first … first + count − 1 as a set.
MemorySamples Part(MemorySamples samples, int64_t first, int64_t count);

}  // namespace lwq::qat
