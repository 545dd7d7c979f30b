// SPDX-License-Identifier: Apache-2.0
#include "reporting/report.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_format.h"
#include "reporting/recipe_words.h"
#include "reporting/run_facts.h"
#include "reporting/training_outcome.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Recipe;
using lwqat::v1::Run;

constexpr char kFullPrecision[] = "fp";

// The recipe with its defaults where the plan has it.
const Recipe& RecipeOf(const Run& run) {
  return run.has_plan() && run.plan().has_recipe() ? run.plan().recipe() : run.spec().recipe();
}

// What two runs must agree on for their perplexities on `text` to be of the same measurement.
std::string MeasurementOf(const Run& run, const std::string& text) {
  std::string content = text;
  for (const auto& source : run.spec().eval_texts()) {
    if (source.name() == text) content = absl::StrCat(text, "=", source.files().digest());
  }
  return absl::StrCat(run.spec().model().files().digest(), "|", content, "|", RecipeOf(run).ppl_seqlen());
}

std::string QuantizationOf(const Run& run) {
  return absl::StrCat(absl::StrFormat("%.6g", run.plan().average_bits()), "/", RecipeOf(run).group_size());
}

int64_t StepsOf(const Run& run) {
  int64_t trained = 0;
  bool known = false;
  for (const auto& task : run.tasks()) {
    if (task.kind() != "train_block" || IsSensitivityTask(task) || task.metrics_json().empty()) continue;
    const auto metrics = ParseJson(task.metrics_json(), "metrics");
    if (!metrics.ok() || !metrics->is_object()) continue;
    if (const auto steps = JsonInt(*metrics, "steps", "metrics"); steps.ok()) {
      trained += *steps;
      known = true;
    }
  }
  if (known) return trained;
  int64_t planned = 0;
  for (const auto& block : run.plan().blocks()) planned += block.steps();
  return planned;
}

std::string RecipeLine(const Run& run) {
  const Recipe& recipe = RecipeOf(run);
  std::string line;
  const auto add = [&](const char* name, const std::string& value) {
    absl::StrAppend(&line, line.empty() ? "" : ", ", name, " ", value);
  };
  if (recipe.has_train_size()) add("train_size", absl::StrCat(recipe.train_size()));
  if (recipe.has_val_size()) add("val_size", absl::StrCat(recipe.val_size()));
  if (recipe.has_training_seqlen()) add("training_seqlen", absl::StrCat(recipe.training_seqlen()));
  if (recipe.has_epochs()) add("epochs", absl::StrFormat("%.6g", recipe.epochs()));
  if (recipe.has_batch_size()) add("batch_size", absl::StrCat(recipe.batch_size()));
  if (recipe.has_quant_lr()) add("quant_lr", absl::StrFormat("%.4g", recipe.quant_lr()));
  if (recipe.has_zp_lr()) add("zp_lr", absl::StrFormat("%.4g", recipe.zp_lr()));
  if (recipe.has_weight_lr()) add("weight_lr", absl::StrFormat("%.4g", recipe.weight_lr()));
  if (recipe.has_precision()) add("precision", recipe.precision());
  if (recipe.has_seed()) add("seed", absl::StrCat(recipe.seed()));
  return line;
}

ReportRow RowOf(const Run& run, double now_unix_s) {
  ReportRow row;
  const Recipe& recipe = RecipeOf(run);
  row.run_id = run.id();
  row.name = run.spec().name();
  row.state = RunStateName(run.state());
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
  if (MethodOf(recipe) == Method::kBlockAp) row.recipe = RecipeLine(run);
  row.remarks = UselessTrainingRemarks(run);
  for (const auto& measured : run.perplexities()) {
    // A run that does not quantize has measured the model as it is; that is its own result.
    const bool own = measured.model() != kFullPrecision || MethodOf(recipe) == Method::kNone;
    if (own) row.perplexity[measured.text()] = measured.perplexity();
    if (own) row.tokens[measured.text()] = measured.tokens();
    if (own && measured.has_add_bos()) row.add_bos[measured.text()] = measured.add_bos();
  }
  return row;
}

// Perplexities of full-precision models and of round-to-nearest, by what was measured.
struct Baselines {
  std::map<std::string, double> fp;
  std::map<std::string, double> rtn;  // by measurement and quantization
};

Baselines FindBaselines(const std::vector<Run>& runs) {
  Baselines baselines;
  for (const Run& run : runs) {
    const std::optional<Method> method = MethodOf(RecipeOf(run));
    for (const auto& measured : run.perplexities()) {
      const std::string measurement = MeasurementOf(run, measured.text());
      if (measured.model() == kFullPrecision || method == Method::kNone) {
        baselines.fp.emplace(measurement, measured.perplexity());
      } else if (method == Method::kRtn) {
        baselines.rtn.emplace(absl::StrCat(measurement, "|", QuantizationOf(run)), measured.perplexity());
      }
    }
  }
  return baselines;
}

void Compare(const Run& run, const Baselines& baselines, ReportRow* row) {
  for (const auto& [text, perplexity] : row->perplexity) {
    const std::string measurement = MeasurementOf(run, text);
    const auto fp = baselines.fp.find(measurement);
    if (fp == baselines.fp.end()) continue;
    row->fp_perplexity[text] = fp->second;
    const auto rtn = baselines.rtn.find(absl::StrCat(measurement, "|", QuantizationOf(run)));
    if (rtn == baselines.rtn.end() || MethodOf(RecipeOf(run)) == Method::kRtn || row->average_bits == 0) continue;
    if (const auto share = RecoveredShare(fp->second, rtn->second, perplexity)) row->recovered_share[text] = *share;
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
    for (const auto& measured : run.perplexities()) {
      if (measured.model() != kFullPrecision) continue;
      const auto [found, is_new] = index.emplace(model, rows.size());
      if (is_new) {
        ReportRow row;
        row.name = run.spec().model().name();
        row.method = kFullPrecision;
        row.size_bytes = run.spec().model().files().size_bytes();
        rows.push_back(row);
      }
      ReportRow& row = rows[found->second];
      row.perplexity.emplace(measured.text(), measured.perplexity());
      row.tokens.emplace(measured.text(), measured.tokens());
      if (measured.has_add_bos()) row.add_bos.emplace(measured.text(), measured.add_bos());
    }
  }
  return rows;
}

}  // namespace

std::optional<double> RecoveredShare(double fp, double rtn, double quantized) {
  const double lost = std::log(rtn) - std::log(fp);
  const double share = (std::log(rtn) - std::log(quantized)) / lost;
  if (!std::isfinite(lost) || lost <= 0 || !std::isfinite(share)) return std::nullopt;
  return share;
}

Report BuildReport(const std::vector<Run>& runs, double now_unix_s) {
  Report report;
  for (const Run& run : runs) {
    for (const auto& measured : run.perplexities()) {
      if (std::find(report.texts.begin(), report.texts.end(), measured.text()) == report.texts.end())
        report.texts.push_back(measured.text());
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
  Json rows = Json::array();
  for (const ReportRow& row : report.rows) {
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
                    {"perplexity", row.perplexity},
                    {"fp_perplexity", row.fp_perplexity},
                    {"tokens", row.tokens},
                    {"add_bos", row.add_bos},
                    {"recovered_share", row.recovered_share},
                    {"recipe", row.recipe},
                    {"remarks", row.remarks}});
  }
  return {{"texts", report.texts}, {"rows", rows}};
}

}  // namespace lwq::reporting
