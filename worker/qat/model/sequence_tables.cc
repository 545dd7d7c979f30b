// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/sequence_tables.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/outer.h>

#include <limits>

#include "worker/qat/model/rotary_frequencies.h"

namespace lwq::qat {

SequenceTables MakeSequenceTables(const LlamaConfig& config, int64_t seqlen, at::Device device) {
  const at::Tensor positions = at::arange(seqlen, at::kFloat);
  const at::Tensor angles = at::outer(positions, InverseFrequencies(config, seqlen));
  const double magnitude = RotaryMagnitude(config);
  const auto hidden = -std::numeric_limits<double>::infinity();
  at::Tensor mask = at::full({seqlen, seqlen}, hidden, at::kFloat).triu_(1);
  if (config.sliding_window && *config.sliding_window < seqlen) {
    mask.add_(at::full({seqlen, seqlen}, hidden, at::kFloat).tril_(-*config.sliding_window));
  }
  return {.cos = angles.cos().mul_(magnitude).to(device),
          .sin = angles.sin().mul_(magnitude).to(device),
          .mask = mask.to(device)};
}

}  // namespace lwq::qat
