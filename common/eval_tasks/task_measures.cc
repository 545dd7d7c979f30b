// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/task_measures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "common/eval_tasks/accuracy.h"
#include "common/status/status.h"

namespace lwq {
namespace {

// The largest standard error that is a number, too.
double Bounded(double value) {
  return std::min(value, std::numeric_limits<double>::max());
}

Measured AsMeasured(const char* metric, const Accuracy& accuracy) {
  return {
      .metric = metric, .value = accuracy.value, .standard_error = accuracy.standard_error, .count = accuracy.items};
}

std::vector<Measured> OfChoices(const EvalTask& task, std::span<const RequestItem> items,
                                std::span<const double> log_likelihoods) {
  std::vector<Measured> measured = {AsMeasured(kAccuracyMetric, AccuracyOf(items, log_likelihoods, ScoreUnit::kSum))};
  if (task.has_acc_norm) {
    measured.push_back(
        AsMeasured(kNormalizedAccuracyMetric, AccuracyOf(items, log_likelihoods, ScoreUnit::kPerCharacter)));
  }
  return measured;
}

std::vector<Measured> OfLastWords(std::span<const double> log_likelihoods, std::span<const uint8_t> greedy) {
  const auto count = static_cast<double>(log_likelihoods.size());
  const double mean = std::accumulate(log_likelihoods.begin(), log_likelihoods.end(), 0.0) / count;
  Measured perplexity{
      .metric = kPerplexityMetric, .value = Bounded(std::exp(-mean)), .count = std::ssize(log_likelihoods)};
  if (log_likelihoods.size() > 1) {
    double squares = 0;
    for (const double value : log_likelihoods) squares += (value - mean) * (value - mean);
    perplexity.standard_error = Bounded(perplexity.value * std::sqrt(squares / (count - 1) / count));
  }
  const int64_t right = std::count_if(greedy.begin(), greedy.end(), [](uint8_t flag) { return flag != 0; });
  return {perplexity, AsMeasured(kAccuracyMetric, ShareOf(right, std::ssize(greedy)))};
}

std::vector<Measured> OfDocuments(std::span<const RequestItem> items, std::span<const double> log_likelihoods) {
  double sum = 0;
  int64_t words = 0, bytes = 0;
  for (const RequestItem& item : items) {
    const auto windows = log_likelihoods.first(item.requests.size());
    sum += std::accumulate(windows.begin(), windows.end(), 0.0);
    log_likelihoods = log_likelihoods.subspan(windows.size());
    words += item.words;
    bytes += item.bytes;
  }
  const double by_word = -sum / static_cast<double>(words);
  const double by_byte = -sum / static_cast<double>(bytes);
  return {{.metric = kWordPerplexityMetric, .value = Bounded(std::exp(by_word)), .count = words},
          {.metric = kBytePerplexityMetric, .value = Bounded(std::exp(by_byte)), .count = bytes},
          {.metric = kBitsPerByteMetric, .value = by_byte / std::numbers::ln2, .count = bytes}};
}

}  // namespace

std::vector<Measured> MeasuresOf(const EvalTask& task, std::span<const RequestItem> items,
                                 std::span<const double> log_likelihoods, std::span<const uint8_t> greedy) {
  LWQ_CHECK(!items.empty() && log_likelihoods.size() == greedy.size(), "a score and a flag for each request");
  switch (task.form) {
    case EvalForm::kChoices:
      return OfChoices(task, items, log_likelihoods);
    case EvalForm::kLastWord:
      return OfLastWords(log_likelihoods, greedy);
    case EvalForm::kDocument:
      return OfDocuments(items, log_likelihoods);
  }
  LWQ_CHECK(false, "no such form of a task");
}

}  // namespace lwq
