// SPDX-License-Identifier: Apache-2.0
#include "client/render/run_text.h"

#include <algorithm>

#include "absl/time/time.h"
#include "client/base/format.h"
#include "common/json/json.h"
#include "reporting/metric.h"

namespace lwq::client {

using lwqat::v1::Run;
using lwqat::v1::Task;

std::string ValueText(std::string_view metric, double value, std::optional<double> standard_error) {
  const int decimals = reporting::TraitsOfMetric(metric).decimals;
  return absl::StrCat(FormatFixed(value, decimals),
                      standard_error.has_value() ? absl::StrCat(" +/- ", FormatFixed(*standard_error, decimals)) : "");
}

std::string ValueText(const lwqat::v1::Measured& measured) {
  return ValueText(measured.metric(), measured.value(),
                   measured.has_standard_error() ? std::make_optional(measured.standard_error()) : std::nullopt);
}

std::string CountText(const lwqat::v1::Measured& measured) {
  const std::string bos = !measured.has_add_bos() ? "" : measured.add_bos() ? ", BOS added" : ", no BOS added";
  return absl::StrCat(measured.count(), " ", reporting::CountedBy(measured.metric(), measured.dataset()), bos);
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  const absl::Time at = absl::FromUnixSeconds(time.seconds());
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", at, absl::UTCTimeZone());
}

std::string WaitsForWorkerText() {
  return "waits for a fitting worker (lwq workers shows who is there)";
}

std::string TaskGlyph(const Task& task, bool utf8) {
  if (task.state() == lwqat::v1::TASK_STATE_SUCCEEDED)
    return task.from_cache() ? (utf8 ? "≡" : "=") : (utf8 ? "✓" : "+");
  if (task.state() == lwqat::v1::TASK_STATE_LEASED) return utf8 ? "▶" : ">";
  if (task.state() == lwqat::v1::TASK_STATE_FAILED) return utf8 ? "✗" : "x";
  if (task.state() == lwqat::v1::TASK_STATE_CANCELLED) return "-";
  if (task.state() == lwqat::v1::TASK_STATE_READY) return utf8 ? "○" : "o";
  return utf8 ? "·" : ".";
}

std::string LossText(const Task& task) {
  if (!task.metrics_json().empty()) {
    if (const auto metrics = ParseJson(task.metrics_json(), "metrics"); metrics.ok() && metrics->is_object()) {
      for (const char* key : {"best_val_loss", "final_val_loss"}) {
        if (const auto loss = JsonDouble(*metrics, key, "metrics"); loss.ok())
          return absl::StrCat("loss ", FormatSignificant(*loss, 4));
      }
    }
  }
  if (task.progress().has_loss()) return absl::StrCat("loss ", FormatSignificant(task.progress().loss(), 4));
  return "";
}

// Where they did not fit: it took longer for it.
bool RecomputedActivations(const Task& task) {
  const auto metrics = ParseJson(task.metrics_json(), "metrics");
  return metrics.ok() && metrics->is_object() && metrics->value("activations", Json()) == "recomputed";
}

std::string CostText(const Task& task) {
  std::string text;
  const auto add = [&](const std::string& fact) { absl::StrAppend(&text, text.empty() ? "" : ", ", fact); };
  if (task.seconds() > 0) add(FormatSeconds(task.seconds()));
  if (RecomputedActivations(task)) add("activations recomputed");
  if (task.peak_memory_bytes() > 0) add(absl::StrCat("peak ", FormatBytes(task.peak_memory_bytes())));
  if (task.peak_rss_bytes() > 0) add(absl::StrCat("RSS ", FormatBytes(task.peak_rss_bytes())));
  return text;
}

std::string SensitivityLabel(const Run& run) {
  const std::string& planned = run.plan().recipe().sensitivity_metric();
  const std::string metric = run.sensitivity().empty() ? planned : run.sensitivity(0).metric();
  return metric.empty() ? "sensitivity" : absl::StrCat("sensitivity (", metric, ")");
}

std::string ExtremesText(const lwqat::v1::Sensitivity& measured) {
  const auto& scores = measured.scores();
  if (scores.empty()) return "";
  const auto most = std::max_element(scores.begin(), scores.end());
  const auto least = std::min_element(scores.begin(), scores.end());
  const std::string text =
      absl::StrCat("block ", most - scores.begin(), " is the most sensitive (", FormatSignificant(*most, 4), ")");
  if (measured.trained_blocks() > 0) return text;
  return absl::StrCat(text, ", block ", least - scores.begin(), " the least (", FormatSignificant(*least, 4), ")");
}

std::string OrderText(const lwqat::v1::Plan& plan, int most) {
  std::string text;
  for (int i = 0; i < std::min(most, plan.order_size()); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", plan.order(i));
  }
  if (plan.order_size() > most) absl::StrAppend(&text, ", … ", plan.order_size() - most, " more");
  return text;
}

}  // namespace lwq::client
