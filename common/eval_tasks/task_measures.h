// SPDX-License-Identifier: Apache-2.0
// From a task's log-likelihoods to what it measures, as lm-evaluation-harness 0.4.13 computes it (lm_eval/api/task.py
// process_results, lm_eval/api/metrics.py). l_i is the log-likelihood of item i, in nats, n the number of items.
//
//   choices    acc and, where the task has it, acc_norm (accuracy.h)
//   last word  perplexity exp(−Σ l_i / n), and acc: the share of items of which every token was the likeliest.
//              The perplexity's standard error is perplexity · s / √n, s the standard deviation of l_i (the first term
//              of its Taylor series); the harness draws its own at random, by bootstrap
//   documents  word_perplexity exp(−Σ l_i / Σ words_i), byte_perplexity exp(−Σ l_i / Σ bytes_i), bits_per_byte
//              −Σ l_i / (ln 2 · Σ bytes_i); the harness has no standard errors of these
//
// Sums are in float64, in the order of items. A perplexity beyond float64 is its largest number. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/eval_tasks/eval_requests.h"
#include "common/eval_tasks/eval_task.h"
#include "common/task/measured.h"

namespace lwq {

// Requires at least one item, and a log-likelihood and a flag (was every token of it the likeliest) for each request.
std::vector<Measured> MeasuresOf(const EvalTask& task, std::span<const RequestItem> items,
                                 std::span<const double> log_likelihoods, std::span<const uint8_t> greedy);

}  // namespace lwq
