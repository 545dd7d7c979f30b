// SPDX-License-Identifier: Apache-2.0
// From log-likelihoods to accuracies, as lm-evaluation-harness 0.4.13 computes them for multiple choice
// (lm_eval/api/task.py process_results, lm_eval/api/metrics.py mean_stderr).
//
// The answer is the choice of the largest log-likelihood, for acc_norm of the largest one divided by the code points of
// the choice; of equal ones the first. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/eval_tasks/eval_requests.h"

namespace lwq {

// The first of the largest. Requires at least one; a value that is no number is never the largest.
int64_t FirstLargest(std::span<const double> values);

struct Accuracy {
  double value = 0;                      // share of items answered rightly
  std::optional<double> standard_error;  // √(Σ (x − value)² / (n − 1)) / √n; absent for one item
  int64_t items = 0;
};

// Of `right` of `items` ≥ 1 that are answered rightly.
Accuracy ShareOf(int64_t right, int64_t items);

enum class ScoreUnit { kSum, kPerCharacter };

// The answer to one item, by the log-likelihoods of its choices.
int64_t AnswerOf(const RequestItem& item, std::span<const double> log_likelihoods, ScoreUnit unit);

// `log_likelihoods`: of every request of all items in their order. Requires at least one item.
Accuracy AccuracyOf(std::span<const RequestItem> items, std::span<const double> log_likelihoods, ScoreUnit unit);

}  // namespace lwq
