// SPDX-License-Identifier: Apache-2.0
// What a run measured about its model's sensitivity, in the shape that the SG-MPQ proposal (docs/policies.md) gives
// sensitivity_results_{model}.json: what `lwq sensitivity` prints, what `lwq fetch` writes and what sensitivity_file
// reads.
//
// {model: {name, num_layers, hidden_size, num_attention_heads}, dataset: {name, num_samples, max_length}, method,
// sensitivity_scores, ranked_layers, statistics: {mean, std, min, max, most_sensitive_layer, least_sensitive_layer,
// sensitivity_range}}, and ours: samples, seqlen; standard_errors ("hessian"); choices and table (table metrics: by
// layer the loss at each choice); measured_scores, where one came out below 0: sensitivity_scores has 0 for it, as
// policies do; remeasured (reorder_every: scores on the partly quantized model, 0 for blocks trained before).
//
// Pure.
#pragma once

#include <string>

#include "common/json/json.h"
#include "common/status/status.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

// FAILED_PRECONDITION, with what to do, when the run has measured none (yet).
StatusOr<Json> SensitivityResults(const lwqat::v1::Run& run);

// "sensitivity_results_llama_2_7b_hf.json" for model "meta-llama/Llama-2-7b-hf".
std::string SensitivityFileName(const lwqat::v1::Run& run);

}  // namespace lwq::reporting
