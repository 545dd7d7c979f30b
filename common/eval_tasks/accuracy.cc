// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/accuracy.h"

#include <cmath>

#include "common/status/status.h"

namespace lwq {

int64_t FirstLargest(std::span<const double> values) {
  LWQ_CHECK(!values.empty(), "no values to choose from");
  size_t best = 0;
  for (size_t i = 1; i < values.size(); ++i) {
    if (values[i] > values[best] || std::isnan(values[best])) best = i;
  }
  return static_cast<int64_t>(best);
}

int64_t AnswerOf(const RequestItem& item, std::span<const double> log_likelihoods, ScoreUnit unit) {
  if (unit == ScoreUnit::kSum) return FirstLargest(log_likelihoods);
  std::vector<double> scores;
  for (size_t i = 0; i < log_likelihoods.size(); ++i) {
    scores.push_back(log_likelihoods[i] / static_cast<double>(item.requests[i].characters));
  }
  return FirstLargest(scores);
}

Accuracy AccuracyOf(std::span<const RequestItem> items, std::span<const double> log_likelihoods, ScoreUnit unit) {
  LWQ_CHECK(!items.empty(), "an accuracy of no items");
  int64_t right = 0;
  for (const RequestItem& item : items) {
    LWQ_CHECK(item.requests.size() <= log_likelihoods.size(), "fewer log-likelihoods than requests");
    if (AnswerOf(item, log_likelihoods.first(item.requests.size()), unit) == item.gold) ++right;
    log_likelihoods = log_likelihoods.subspan(item.requests.size());
  }
  return ShareOf(right, std::ssize(items));
}

Accuracy ShareOf(int64_t right, int64_t items) {
  LWQ_CHECK(items > 0, "a share of no items");
  const auto count = static_cast<double>(items);
  Accuracy accuracy{.value = static_cast<double>(right) / count, .standard_error = {}, .items = items};
  if (items < 2) return accuracy;
  const double of_right = (1 - accuracy.value) * (1 - accuracy.value);
  const double of_wrong = accuracy.value * accuracy.value;
  const double squares = static_cast<double>(right) * of_right + (count - static_cast<double>(right)) * of_wrong;
  accuracy.standard_error = std::sqrt(squares / (count - 1)) / std::sqrt(count);
  return accuracy;
}

}  // namespace lwq
