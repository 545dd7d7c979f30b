// SPDX-License-Identifier: Apache-2.0
// What the sensitivity tasks share: the samples of a shard, round-to-nearest candidates of a block, and metrics that
// are refused where they are not numbers.
//
// One thread. The task's context must outlive what is opened.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "common/artifact/samples.h"
#include "common/task/quant_choice.h"
#include "worker/qat/api/block_ops.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

// Samples [first, first + count) of the set that comes in `role`. INVALID_ARGUMENT when the set has not that many.
StatusOr<std::unique_ptr<SampleSource>> OpenShard(const Task& task, const TaskContext& context, std::string_view role,
                                                  int64_t first, int64_t count);
// A whole set.
StatusOr<std::unique_ptr<SampleSource>> OpenSet(const Task& task, const TaskContext& context, std::string_view role);

// Writes boundary gradients, F32, of the shape of these activations. INVALID_ARGUMENT unless that is [seqlen, hidden].
StatusOr<std::unique_ptr<SampleSetWriter>> NewGradients(const TaskContext& context, const SampleSource& activations);

// Of a task's parameters: its choices, and how quantizers begin.
template <typename Params>
std::vector<qat::RtnOptions> RtnChoices(const Params& params) {
  std::vector<qat::RtnOptions> options;
  options.reserve(params.choices.size());
  for (const QuantChoice& choice : params.choices) {
    options.push_back({.bits = choice.bits,
                       .group_size = choice.group_size,
                       .range_contains_zero = params.range_contains_zero,
                       .fp16_scales = params.fp16_scales,
                       .zero_points = ZeroPointsOf(params)});
  }
  return options;
}

// The block as the model has it, rounded to nearest with each choice, when asked for.
using BlockMaker = std::function<StatusOr<qat::BlockState>()>;
StatusOr<std::vector<BlockMaker>> RtnCandidates(ModelInput& model, int64_t block,
                                                const std::vector<qat::RtnOptions>& choices);

// FAILED_PRECONDITION, naming `what` and the place, when a number is not finite: JSON has no such number, and no policy
// could use it.
StatusOr<Json> FiniteNumbers(const std::vector<double>& numbers, std::string_view what);

}  // namespace lwq::worker
