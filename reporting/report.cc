// SPDX-License-Identifier: Apache-2.0
#include "reporting/report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/str_format.h"
#include "reporting/metric.h"
#include "reporting/recipe_words.h"
#include "reporting/run_facts.h"
#include "reporting/task_metrics.h"
#include "reporting/training_outcome.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Measured;
using lwqat::v1::Recipe;
using lwqat::v1::Run;

constexpr char kFullPrecision[] = "fp";

// The recipe with its defaults where the plan has it.
const Recipe& RecipeOf(const Run& run) {
  return run.has_plan() && run.plan().has_recipe() ? run.plan().recipe() : run.spec().recipe();
}

ReportColumn ColumnOf(const Measured& measured) {
  return {measured.metric(), measured.dataset()};
}

// The first value of a column stays.
void AddValue(const Measured& measured, ReportRow* row) {
  if (ValueIn(*row, ColumnOf(measured)) != nullptr) return;
  ReportValue value{.column = ColumnOf(measured), .value = measured.value(), .count = measured.count()};
  if (measured.has_standard_error()) value.standard_error = measured.standard_error();
  if (measured.has_add_bos()) value.add_bos = measured.add_bos();
  row->measured.push_back(std::move(value));
}

std::string QuantizationOf(const Run& run) {
  return absl::StrCat(absl::StrFormat("%.6g", run.plan().average_bits()), "/", RecipeOf(run).group_size());
}

int64_t StepsOf(const Run& run) {
  int64_t trained = 0;
  bool known = false;
  for (const auto& task : run.tasks()) {
    const bool trains = task.kind() == "train_block" || task.kind() == "fit_rounding" || task.kind() == "train_scales";
    if (!trains || IsSensitivityTask(task)) continue;
    if (const auto steps = IntegerOf(MetricsOf(task), "steps"); steps.has_value()) {
      trained += *steps;
      known = true;
    }
  }
  if (known) return trained;
  int64_t planned = 0;
  for (const auto& block : run.plan().blocks()) planned += block.steps();
  return planned;
}

bool Trains(const Recipe& recipe) {
  return MethodOf(recipe) == Method::kBlockAp;
}

// What makes a run's perplexity another one; of round-to-nearest, what its scales are searched or trained on.
std::string RecipeLine(const Run& run) {
  const Recipe& recipe = RecipeOf(run);
  std::string line;
  const auto add = [&](const char* name, const std::string& value) {
    absl::StrAppend(&line, line.empty() ? "" : ", ", name, " ", value);
  };
  const bool trains = Trains(recipe);
  const auto goes_through = [&](Method method, Initialization init) {
    return MethodOf(recipe) == method || (trains && recipe.init() == WordOf(init));
  };
  const bool by_gptq = goes_through(Method::kGptq, Initialization::kGptq);
  const bool by_signround = goes_through(Method::kSignRound, Initialization::kSignRound);
  const bool by_omniquant = goes_through(Method::kOmniQuant, Initialization::kOmniQuant);
  const bool is_fitted = by_signround || by_omniquant;
  if (recipe.has_train_size()) add("train_size", absl::StrCat(recipe.train_size()));
  if ((trains || is_fitted) && recipe.has_val_size()) add("val_size", absl::StrCat(recipe.val_size()));
  if (recipe.has_training_seqlen()) add("training_seqlen", absl::StrCat(recipe.training_seqlen()));
  if (Prepares(recipe)) add("prepare", recipe.prepare());
  if (trains && (by_gptq || is_fitted)) add("init", recipe.init());
  if (by_gptq && recipe.has_damp_percent()) add("damp_percent", absl::StrFormat("%.6g", recipe.damp_percent()));
  if (by_gptq && recipe.desc_act()) add("desc_act", "true");
  if (by_signround && recipe.has_signround_iters()) {
    add("signround_iters", absl::StrCat(recipe.signround_iters()));
    add("signround_batch_size", absl::StrCat(recipe.signround_batch_size()));
    add("signround_lr", absl::StrFormat("%.4g", recipe.signround_lr()));
    add("signround_minmax_lr", absl::StrFormat("%.4g", recipe.signround_minmax_lr()));
  }
  if (by_omniquant && recipe.has_omniquant_epochs()) {
    add("omniquant_epochs", absl::StrFormat("%.6g", recipe.omniquant_epochs()));
    add("omniquant_batch_size", absl::StrCat(recipe.omniquant_batch_size()));
    add("omniquant_lwc_lr", absl::StrFormat("%.4g", recipe.omniquant_lwc_lr()));
  }
  if (trains && recipe.has_epochs()) add("epochs", absl::StrFormat("%.6g", recipe.epochs()));
  if (trains && recipe.has_batch_size()) add("batch_size", absl::StrCat(recipe.batch_size()));
  if (trains && recipe.has_quant_lr()) add("quant_lr", absl::StrFormat("%.4g", recipe.quant_lr()));
  if (trains && recipe.has_zp_lr()) add("zp_lr", absl::StrFormat("%.4g", recipe.zp_lr()));
  if (trains && recipe.has_weight_lr()) add("weight_lr", absl::StrFormat("%.4g", recipe.weight_lr()));
  if (recipe.e2e_qp()) {
    add("e2e_train_size", absl::StrCat(recipe.e2e_train_size()));
    add("e2e_seqlen", absl::StrCat(recipe.e2e_seqlen()));
    add("e2e_epochs", absl::StrFormat("%.6g", recipe.e2e_epochs()));
    add("e2e_batch_size", absl::StrCat(recipe.e2e_batch_size()));
    add("e2e_lr", absl::StrFormat("%.4g", recipe.e2e_lr()));
  }
  if ((trains || by_gptq || is_fitted) && recipe.has_precision()) add("precision", recipe.precision());
  if (recipe.has_seed()) add("seed", absl::StrCat(recipe.seed()));
  return line;
}

ReportRow RowOf(const Run& run, double now_unix_s) {
  ReportRow row;
  const Recipe& recipe = RecipeOf(run);
  row.run_id = run.id();
  row.name = run.spec().name();
  row.state = RunStateName(run.state());
  row.stopped = StoppedText(run);
  row.method = recipe.method();
  row.preset = recipe.preset();
  const bool quantizes = !run.plan().blocks().empty();
  if (quantizes) {
    row.average_bits = run.plan().average_bits();
    row.group_size = recipe.group_size();
    row.stored_bits_per_weight = run.plan().stored_bits_per_weight();
  }
  row.size_bytes = run.export_bytes() > 0 ? run.export_bytes()
                   : quantizes            ? run.plan().export_bytes()
                                          : run.spec().model().files().size_bytes();
  row.steps = StepsOf(run);
  row.seconds = ElapsedSeconds(run, now_unix_s);
  row.result_digest = run.result_digest();
  // What plain round-to-nearest gives depends on no setting.
  if (TraitsOfMethod(recipe).reads_activations || Prepares(recipe) || recipe.e2e_qp()) row.recipe = RecipeLine(run);
  row.remarks = UselessTrainingRemarks(run);
  for (const Measured& measured : run.measured()) {
    // A run that does not quantize has measured the model as it is; that is its own result.
    if (measured.subject() != kFullPrecision || MethodOf(recipe) == Method::kNone) AddValue(measured, &row);
  }
  return row;
}

// What round-to-nearest makes of the model's own blocks: what others win back is counted from there.
bool IsRoundingAsIs(const Recipe& recipe) {
  return MethodOf(recipe) == Method::kRtn && !Prepares(recipe) && !recipe.e2e_qp();
}

// Values of full-precision models and of round-to-nearest, by what was measured.
struct Baselines {
  std::map<std::string, double> fp;
  std::map<std::string, double> rtn;  // by measurement and quantization
};

Baselines FindBaselines(const std::vector<Run>& runs) {
  Baselines baselines;
  for (const Run& run : runs) {
    const std::optional<Method> method = MethodOf(RecipeOf(run));
    for (const Measured& measured : run.measured()) {
      const std::string measurement = MeasurementOf(run, ColumnOf(measured));
      if (measured.subject() == kFullPrecision || method == Method::kNone) {
        baselines.fp.emplace(measurement, measured.value());
      } else if (IsRoundingAsIs(RecipeOf(run))) {
        baselines.rtn.emplace(absl::StrCat(measurement, "|", QuantizationOf(run)), measured.value());
      }
    }
  }
  return baselines;
}

void Compare(const Run& run, const Baselines& baselines, ReportRow* row) {
  for (ReportValue& value : row->measured) {
    const std::string measurement = MeasurementOf(run, value.column);
    const auto fp = baselines.fp.find(measurement);
    if (fp == baselines.fp.end()) continue;
    value.full_precision = fp->second;
    const auto rtn = baselines.rtn.find(absl::StrCat(measurement, "|", QuantizationOf(run)));
    if (rtn == baselines.rtn.end() || IsRoundingAsIs(RecipeOf(run)) || row->average_bits == 0) continue;
    if (!TraitsOfMetric(value.column.metric).recovers_in_logs) continue;
    value.recovered_share = RecoveredShare(fp->second, rtn->second, value.value);
  }
}

// Rows for the full-precision models that no run of method "none" stands for.
std::vector<ReportRow> FullPrecisionRows(const std::vector<Run>& runs) {
  std::set<std::string> seen;
  for (const Run& run : runs) {
    if (MethodOf(RecipeOf(run)) == Method::kNone) seen.insert(run.spec().model().files().digest());
  }
  std::map<std::string, size_t> index;
  std::vector<ReportRow> rows;
  for (const Run& run : runs) {
    const std::string& model = run.spec().model().files().digest();
    if (seen.count(model) > 0) continue;
    for (const Measured& measured : run.measured()) {
      if (measured.subject() != kFullPrecision) continue;
      const auto [found, is_new] = index.emplace(model, rows.size());
      if (is_new) {
        ReportRow row;
        row.name = run.spec().model().name();
        row.method = kFullPrecision;
        row.size_bytes = run.spec().model().files().size_bytes();
        rows.push_back(row);
      }
      AddValue(measured, &rows[found->second]);
    }
  }
  return rows;
}

Json ColumnToJson(const ReportColumn& column) {
  Json json{{"metric", column.metric}, {"dataset", column.dataset}};
  const std::optional<bool> lower_is_better = TraitsOfMetric(column.metric).lower_is_better;
  if (lower_is_better.has_value()) json["lower_is_better"] = *lower_is_better;
  return json;
}

Json ValueToJson(const ReportValue& value) {
  Json json{{"metric", value.column.metric},
            {"dataset", value.column.dataset},
            {"value", value.value},
            {"count", value.count}};
  const auto put = [&](const char* key, const auto& known) {
    if (known.has_value()) json[key] = *known;
  };
  put("standard_error", value.standard_error);
  put("add_bos", value.add_bos);
  put("full_precision", value.full_precision);
  put("recovered_share", value.recovered_share);
  return json;
}

}  // namespace

const ReportValue* ValueIn(const ReportRow& row, const ReportColumn& column) {
  const auto found = std::find_if(row.measured.begin(), row.measured.end(),
                                  [&](const ReportValue& value) { return value.column == column; });
  return found == row.measured.end() ? nullptr : &*found;
}

std::string MeasurementOf(const Run& run, const ReportColumn& column) {
  std::string content = column.dataset;
  for (const auto& source : run.spec().eval_texts()) {
    if (source.name() == column.dataset) content = absl::StrCat(column.dataset, "=", source.files().digest());
  }
  for (const auto& source : run.spec().eval_tasks()) {
    if (source.name() != column.dataset) continue;
    content = absl::StrCat(column.dataset, "=", source.files().digest(), "|", RecipeOf(run).add_bos(), "|",
                           RecipeOf(run).eval_limit());
  }
  const bool windows = TraitsOfMetric(column.metric).needs_equal_windows;
  return absl::StrCat(run.spec().model().files().digest(), "|", content, "|", column.metric, "|",
                      windows ? RecipeOf(run).ppl_seqlen() : 0);
}

std::optional<double> RecoveredShare(double fp, double rtn, double quantized) {
  const double lost = std::log(rtn) - std::log(fp);
  const double share = (std::log(rtn) - std::log(quantized)) / lost;
  if (!std::isfinite(lost) || lost <= 0 || !std::isfinite(share)) return std::nullopt;
  return share;
}

Report BuildReport(const std::vector<Run>& runs, double now_unix_s) {
  Report report;
  for (const Run& run : runs) {
    for (const Measured& measured : run.measured()) {
      const ReportColumn column = ColumnOf(measured);
      if (std::find(report.columns.begin(), report.columns.end(), column) == report.columns.end())
        report.columns.push_back(column);
    }
  }
  const Baselines baselines = FindBaselines(runs);
  report.rows = FullPrecisionRows(runs);
  for (const Run& run : runs) {
    ReportRow row = RowOf(run, now_unix_s);
    Compare(run, baselines, &row);
    report.rows.push_back(std::move(row));
  }
  return report;
}

Json ReportToJson(const Report& report) {
  Json columns = Json::array();
  for (const ReportColumn& column : report.columns) columns.push_back(ColumnToJson(column));
  Json rows = Json::array();
  for (const ReportRow& row : report.rows) {
    Json measured = Json::array();
    for (const ReportValue& value : row.measured) measured.push_back(ValueToJson(value));
    rows.push_back({{"run_id", row.run_id},
                    {"name", row.name},
                    {"state", row.state},
                    {"method", row.method},
                    {"preset", row.preset},
                    {"average_bits", row.average_bits},
                    {"group_size", row.group_size},
                    {"stored_bits_per_weight", row.stored_bits_per_weight},
                    {"size_bytes", row.size_bytes},
                    {"steps", row.steps},
                    {"seconds", row.seconds},
                    {"result_digest", row.result_digest},
                    {"measured", std::move(measured)},
                    {"recipe", row.recipe},
                    {"remarks", row.remarks}});
    if (!row.stopped.empty()) rows.back()["stopped"] = row.stopped;
  }
  return {{"columns", columns}, {"rows", rows}};
}

}  // namespace lwq::reporting
