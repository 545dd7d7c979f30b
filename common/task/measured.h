// SPDX-License-Identifier: Apache-2.0
// What an evaluation found out, in one shape from the task that measures to the report that compares.
//
// A task reports it among its metrics: {"measured": [{"metric", "value", "standard_error" (optional), "count"}, …]}.
// The subject, the dataset and how the text was tokenized are the coordinator's to add: the task does not know their
// names.
//
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

// The metric that evaluations of texts report. Its count is tokens; it has no standard error. Of a zero-shot task, that
// of an item's last word; then its count is items.
inline constexpr char kPerplexityMetric[] = "perplexity";
// The shares of a zero-shot task's items that are answered rightly: by the log-likelihood of a choice, and by that for
// each of its characters. Their count is items.
inline constexpr char kAccuracyMetric[] = "acc";
inline constexpr char kNormalizedAccuracyMetric[] = "acc_norm";
// Of whole documents, each token behind those before it (common/eval_tasks/task_measures.h): perplexities by word and
// by byte, and bits a byte. Their counts are words and bytes.
inline constexpr char kWordPerplexityMetric[] = "word_perplexity";
inline constexpr char kBytePerplexityMetric[] = "byte_perplexity";
inline constexpr char kBitsPerByteMetric[] = "bits_per_byte";
// Of a model's next-token distributions q beside the full-precision model's p: the mean of KL(p ‖ q) in nats, and the
// share of places at which both find the same token likeliest. Their count is predicted tokens.
inline constexpr char kKlDivergenceMetric[] = "kl_divergence";
inline constexpr char kTop1AgreementMetric[] = "top1_agreement";
inline constexpr size_t kMaxMetricBytes = 80;

struct Measured {
  std::string subject = {};                             // "fp" for the full-precision model, else the run's method
  std::string dataset = {};                             // the text's name, or the zero-shot task's
  std::string metric = {};                              // at most kMaxMetricBytes, one line
  double value = 0;                                     // HUGE_VAL where it is not finite
  std::optional<double> standard_error = std::nullopt;  // absent where the metric has none
  int64_t count = 0;                                    // what the value is over
  std::optional<bool> add_bos = std::nullopt;           // whether BOS was put before the text; absent where unknown

  // As it is stored, every field by its name. What is absent is left out; JSON has null for a value that is not finite.
  Json ToJson() const;
  // INVALID_ARGUMENT naming the field that is missing or of another type.
  static StatusOr<Measured> FromJson(const Json& json);
  friend bool operator==(const Measured&, const Measured&) = default;
};

// The list that a task reports as "measured": metric, value, standard error and count of each.
Json MeasuredMetrics(const std::vector<Measured>& measured);
// What a task with these metrics measured, subject, dataset and add_bos left open; nothing where the metrics speak of
// none. Results that reduce_ppl made in its version 1 say "perplexity" and "tokens" instead. INVALID_ARGUMENT, naming
// the fault: a list that is none, a value or standard error that is no finite number, a count below 0, a metric without
// a name or named twice.
StatusOr<std::vector<Measured>> MeasuredOf(const Json& metrics);

}  // namespace lwq
