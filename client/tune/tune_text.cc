// SPDX-License-Identifier: Apache-2.0
#include "client/tune/tune_text.h"

#include <cmath>
#include <optional>

#include "client/base/format.h"
#include "client/render/table.h"
#include "client/run_file/write_run_file.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

using search::SearchStep;
using search::SearchTrial;
using search::TrialOutcome;

constexpr size_t kTuneHeaderEvery = 40;  // rows

std::string OutcomeWord(const SearchTrial& trial) {
  switch (trial.outcome) {
    case TrialOutcome::kEnded:
      return "ended";
    case TrialOutcome::kStopped:
      return "stopped";
    case TrialOutcome::kFailed:
      return "failed";
    case TrialOutcome::kCancelled:
      return "cancelled";
  }
  return "";
}

std::string EndWord(SearchStep::Kind kind) {
  switch (kind) {
    case SearchStep::Kind::kTry:
      return "going on";
    case SearchStep::Kind::kTrialsDone:
      return "trials";
    case SearchStep::Kind::kBudgetDone:
      return "budget";
    case SearchStep::Kind::kNothingNew:
      return "nothing new";
    case SearchStep::Kind::kAllFailed:
      return "failed";
    case SearchStep::Kind::kAllCancelled:
      return "cancelled";
  }
  return "";
}

double SpentBy(const std::vector<TuneTrial>& trials) {
  double seconds = 0;
  for (const TuneTrial& trial : trials) seconds += trial.result.cost;
  return seconds;
}

std::string SpentText(const TuneRequest& tune, double seconds) {
  const std::string spent = FormatSeconds(seconds);
  return tune.budget_seconds.has_value() ? absl::StrCat(spent, " of ", FormatSeconds(*tune.budget_seconds)) : spent;
}

std::string ValuesText(const TuneRequest& tune, const SearchTrial& trial) {
  std::string text;
  for (size_t a = 0; a < tune.axes.size(); ++a) {
    absl::StrAppend(&text, a == 0 ? "" : " ", tune.axes[a].field->name, "=",
                    ValueOfAxis(tune.axes[a], trial.values[a]).label);
  }
  return text;
}

// "trial 11, block_loss 0.01234"; of one that was stopped "… after 3 of 12 blocks".
std::string MeasuredText(const TuneRequest& tune, const TuneTrial& trial, size_t index) {
  std::string text =
      absl::StrCat("trial ", index + 1, ", ", tune.metric, " ", FormatSignificant(trial.result.objective, 5));
  if (trial.result.outcome == TrialOutcome::kStopped) {
    absl::StrAppend(&text, " after ", trial.result.resource, " of ", trial.blocks, " blocks");
  }
  return text;
}

std::string Snippet(const TuneRequest& tune, const SearchTrial& trial) {
  std::string text;
  for (size_t a = 0; a < tune.axes.size(); ++a) {
    absl::StrAppend(&text, RunFileLine(*tune.axes[a].field, ValueOfAxis(tune.axes[a], trial.values[a]).value));
  }
  return text;
}

std::string TrialTable(const TuneRequest& tune, const TuneOutcome& outcome, std::optional<size_t> best) {
  std::vector<Table::Column> columns = {{"", false}, {"trial", true}};
  for (const SearchAxis& axis : tune.axes) columns.push_back({axis.field->name, true});
  for (const char* const title : {"blocks", "", "device time"}) columns.push_back({title, true});
  columns[columns.size() - 2].title = tune.metric;
  columns.push_back({"", false});
  columns.push_back({"run", false});
  Table table(columns);
  for (size_t i = 0; i < outcome.trials.size(); ++i) {
    const TuneTrial& trial = outcome.trials[i];
    std::vector<std::string> cells = {best == i ? "*" : "", absl::StrCat(i + 1)};
    for (size_t a = 0; a < tune.axes.size(); ++a) {
      cells.push_back(ValueOfAxis(tune.axes[a], trial.result.values[a]).label);
    }
    const bool is_measured = std::isfinite(trial.result.objective);
    cells.push_back(is_measured && trial.result.resource > 0 ? absl::StrCat(trial.result.resource) : "");
    cells.push_back(is_measured ? FormatSignificant(trial.result.objective, 5) : "");
    cells.push_back(FormatSeconds(trial.result.cost));
    cells.push_back(OutcomeWord(trial.result));
    cells.push_back(reporting::ShortId(trial.run_id));
    table.AddRow(std::move(cells));
  }
  return table.Render(kTuneHeaderEvery);
}

Json TrialToJson(const TuneRequest& tune, const TuneTrial& trial, size_t index) {
  Json values = Json::object();
  for (size_t a = 0; a < tune.axes.size(); ++a) {
    values[tune.axes[a].field->name] = ValueOfAxis(tune.axes[a], trial.result.values[a]).value;
  }
  const bool is_measured = std::isfinite(trial.result.objective);
  return {{"trial", index + 1},
          {"batch", trial.batch + 1},
          {"sweep_id", trial.sweep_id},
          {"run_id", trial.run_id},
          {"values", std::move(values)},
          {"outcome", OutcomeWord(trial.result)},
          {tune.metric, is_measured ? Json(trial.result.objective) : Json()},
          {"blocks", is_measured ? trial.result.resource : 0},
          {"device_seconds", trial.result.cost},
          {"error", trial.error}};
}

}  // namespace

std::string BatchLine(const TuneRequest& tune, int64_t batch, const std::vector<TuneTrial>& trials) {
  std::string text = absl::StrCat("batch ", batch + 1, ": ", trials.size(), " trials, ");
  const std::optional<size_t> best = search::BestTrial(ResultsOf(trials));
  if (best.has_value()) {
    absl::StrAppend(&text, "best is ", MeasuredText(tune, trials[*best], *best), " (",
                    ValuesText(tune, trials[*best].result), ")");
  } else {
    absl::StrAppend(&text, "none of them measured");
  }
  return absl::StrCat(text, "; ", SpentText(tune, SpentBy(trials)), " of device time spent");
}

std::string EndLine(const TuneRequest& tune, const TuneOutcome& outcome) {
  std::string text =
      absl::StrCat(outcome.trials.size(), " trials, ", SpentText(tune, outcome.last.spent), " of device time spent");
  if (outcome.reused_seconds > 0) {
    absl::StrAppend(&text, ", ", FormatSeconds(outcome.reused_seconds), " reused");
  }
  switch (outcome.last.kind) {
    case SearchStep::Kind::kTry:
    case SearchStep::Kind::kTrialsDone:
      break;
    case SearchStep::Kind::kBudgetDone:
      absl::StrAppend(&text, "; another batch would take about ", FormatSeconds(outcome.last.expected.value_or(0)));
      break;
    case SearchStep::Kind::kNothingNew:
      absl::StrAppend(&text, "; there is nothing new to try");
      break;
    case SearchStep::Kind::kAllFailed:
      absl::StrAppend(&text, "; ended, as every trial of the last batch failed");
      break;
    case SearchStep::Kind::kAllCancelled:
      absl::StrAppend(&text, "; ended, as every trial of the last batch was cancelled");
      break;
  }
  return text;
}

std::string RenderTune(const TuneRequest& tune, const TuneOutcome& outcome) {
  const std::optional<size_t> best = search::BestTrial(ResultsOf(outcome.trials));
  std::string text = absl::StrCat(TrialTable(tune, outcome, best), "\n", EndLine(tune, outcome), "\n");
  if (!best.has_value()) return text;
  const TuneTrial& trial = outcome.trials[*best];
  return absl::StrCat(text, "\n# ", MeasuredText(tune, trial, *best), "\n", Snippet(tune, trial.result));
}

Json TuneToJson(const TuneRequest& tune, const TuneOutcome& outcome) {
  const std::optional<size_t> best = search::BestTrial(ResultsOf(outcome.trials));
  Json trials = Json::array();
  for (size_t i = 0; i < outcome.trials.size(); ++i) trials.push_back(TrialToJson(tune, outcome.trials[i], i));
  return {{"id", outcome.id},
          {"name", tune.name},
          {"metric", tune.metric},
          {"ended", EndWord(outcome.last.kind)},
          {"best", best.has_value() ? trials[*best] : Json()},
          {"trials", trials},
          {"spent_device_seconds", outcome.last.spent},
          {"reused_device_seconds", outcome.reused_seconds},
          {"budget_device_seconds", tune.budget_seconds.has_value() ? Json(*tune.budget_seconds) : Json()}};
}

std::vector<std::string> TunedComments(const TuneRequest& tune, const TuneOutcome& outcome, size_t best) {
  const TuneTrial& trial = outcome.trials[best];
  return {absl::StrCat("Of lwq tune ", outcome.id, ": ", MeasuredText(tune, trial, best), ", run ",
                       reporting::ShortId(trial.run_id)),
          absl::StrCat("(", ValuesText(tune, trial.result), "); ", EndLine(tune, outcome))};
}

}  // namespace lwq::client
