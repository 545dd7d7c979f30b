// SPDX-License-Identifier: Apache-2.0
#include "reporting/model_card.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/export_format/loading.h"
#include "common/hub/hub_uri.h"
#include "common/json/json.h"
#include "common/recipe/zero_points.h"
#include "common/task/measured.h"
#include "common/task/task_kind.h"
#include "common/text/one_line.h"
#include "reporting/card_front_matter.h"
#include "reporting/metric.h"
#include "reporting/recipe_differences.h"
#include "reporting/run_facts.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::BlockPlan;
using lwqat::v1::Run;

// What tells our cards from others, and where the parts are that depend on the format.
constexpr std::string_view kMark = "<!-- lwq: model card -->";
constexpr std::string_view kLoading = "<!-- lwq: loading -->";
constexpr std::string_view kLoadingEnd = "<!-- lwq: end of loading -->";
constexpr std::string_view kTagsEnd = "# lwq: end of tags";

// Keys of a base model's card that hold for what is made of it.
constexpr std::string_view kCarriedOver[] = {"license", "license_name", "license_link", "language"};

ExportFormat FormatOf(const Run& run) {
  const lwqat::v1::Recipe& recipe = run.plan().recipe();
  return ParseWord<ExportFormat>(recipe.export_format()).value_or(ExportFormat::kGptqV2);
}

ServedModel ServedModelOf(const Run& run) {
  ServedModel model;
  const lwqat::v1::Recipe& recipe = run.plan().recipe();
  model.zero_points =
      ZeroPointsOf(ZeroPointKeys{.middle_zero_points = recipe.middle_zero_points(), .sym = recipe.sym()});
  for (const BlockPlan& block : run.plan().blocks()) {
    model.widths.insert(block.bit_width());
    model.group_sizes.insert(block.group_size());
  }
  return model;
}

// Inside a cell of a table, or a line of text: nothing that ends it, and nothing that Markdown or HTML reads.
std::string Cell(std::string_view text) {
  constexpr size_t kLongest = 300;
  return absl::StrReplaceAll(OneLine(text, kLongest), {{"|", "\\|"}, {"<", "&lt;"}, {"`", "'"}});
}

std::string Number(double value) {
  return absl::StrFormat("%.6g", value);
}

// The words by which the Hub finds quantized models.
std::vector<std::string> FormatTags(ExportFormat format, const ServedModel& model) {
  std::vector<std::string> tags;
  switch (format) {
    case ExportFormat::kGptqV2:
    case ExportFormat::kGptq:
      tags = {"gptq"};
      break;
    case ExportFormat::kCompressedTensors:
      tags = {"compressed-tensors"};
      break;
    case ExportFormat::kGguf:
    case ExportFormat::kGgufQ41:
      tags = {"gguf"};
      break;
    case ExportFormat::kFakeQuant:
    case ExportFormat::kNone:
      break;
  }
  for (const int bits : model.widths) tags.push_back(absl::StrCat(bits, "-bit"));
  return tags;
}

std::string TagLines(ExportFormat format, const ServedModel& model) {
  std::string lines = "tags:\n- lwq\n- quantized\n";
  for (const std::string& tag : FormatTags(format, model)) absl::StrAppend(&lines, "- ", YamlText(tag), "\n");
  return absl::StrCat(lines, kTagsEnd, "\n");
}

std::string FrontMatterOf(const Run& run, const CardInputs& inputs) {
  std::string lines = "---\n";
  const StatusOr<HubUri> hub = ParseHubUri(run.spec().model().uri());
  if (hub.ok()) {
    absl::StrAppend(&lines, FrontMatterLines("base_model", {hub->repo.id}), "base_model_relation: quantized\n");
  }
  const FrontMatter base = ParseFrontMatter(inputs.base_card.value_or(""));
  for (const std::string_view key : kCarriedOver) {
    if (const auto found = base.find(key); found != base.end()) {
      absl::StrAppend(&lines, FrontMatterLines(key, found->second));
    }
  }
  absl::StrAppend(&lines, "pipeline_tag: text-generation\n", TagLines(FormatOf(run), ServedModelOf(run)));
  return absl::StrCat(lines, "---\n");
}

std::string BaseModelText(const Run& run) {
  const StatusOr<HubUri> hub = ParseHubUri(run.spec().model().uri());
  if (!hub.ok()) return Cell(run.spec().model().name());
  return absl::StrCat("[", Cell(hub->repo.id), "](https://huggingface.co", hub->repo.WebPath(), ") (revision ",
                      Cell(hub->revision), ")");
}

std::string Heading(const Run& run, const CardInputs& inputs) {
  return absl::StrCat("\n", kMark, "\n\n# ", Cell(run.spec().name()), "\n\n", BaseModelText(run), ", quantized by lwq ",
                      inputs.version, " with method ", run.plan().recipe().method(), ": ",
                      absl::StrFormat("%.3f", run.plan().average_bits()), " bits a weight on average, ",
                      absl::StrFormat("%.3f", run.plan().stored_bits_per_weight()),
                      " stored bits with scales, zero points and padding, over the linears of the blocks.\n");
}

bool PlannedAlike(const BlockPlan& a, const BlockPlan& b) {
  return a.bit_width() == b.bit_width() && a.group_size() == b.group_size();
}

// Neighbours that are planned alike share a row.
std::string PlanTable(const Run& run) {
  std::string table =
      "\n## Blocks\n\n| blocks | bits | group size | stored bits a weight |\n| --- | --- | --- | --- |\n";
  const auto& blocks = run.plan().blocks();
  for (int first = 0; first < blocks.size();) {
    int last = first;
    while (last + 1 < blocks.size() && PlannedAlike(blocks[first], blocks[last + 1])) ++last;
    const BlockPlan& block = blocks[first];
    absl::StrAppend(&table, "| ", first == last ? absl::StrCat(first) : absl::StrCat(first, "–", last), " | ",
                    block.bit_width(), " | ", block.group_size() == -1 ? "a row" : absl::StrCat(block.group_size()),
                    " | ", absl::StrFormat("%.3f", block.stored_bits_per_weight()), " |\n");
    first = last + 1;
  }
  absl::StrAppend(&table, "\nEmbedding, head, norms and biases are not quantized.\n");
  return table;
}

std::string RecipeTable(const Run& run) {
  std::string rows;
  for (const auto& [key, value] : RecipeDifferences(run))
    absl::StrAppend(&rows, "| `", key, "` | ", Cell(value), " |\n");
  const std::string heading = "\n## Recipe\n\n";
  const std::string rest = "`layer_statistics.json` has every key, and what the training of each block did.\n";
  if (rows.empty()) return absl::StrCat(heading, "All keys have their defaults; ", rest);
  return absl::StrCat(heading, "Keys that differ from the defaults; ", rest, "\n| key | value |\n| --- | --- |\n",
                      rows);
}

std::string SubjectText(const std::string& subject) {
  return subject == "fp" ? "full precision" : subject;
}

std::string MeasuredRow(const lwqat::v1::Measured& measured) {
  const MetricTraits metric = TraitsOfMetric(measured.metric());
  std::string value = Number(measured.value());
  if (measured.has_standard_error()) absl::StrAppend(&value, " ± ", Number(measured.standard_error()));
  std::string over = absl::StrCat(measured.count(), " ", metric.counted);
  if (measured.has_add_bos()) absl::StrAppend(&over, measured.add_bos() ? ", with BOS" : ", without BOS");
  return absl::StrCat("| ", Cell(SubjectText(measured.subject())), " | ", Cell(measured.dataset()), " | ",
                      Cell(measured.metric()), " | ", value, " | ", over, " |\n");
}

std::string MeasuredTable(const Run& run) {
  std::string rows;
  bool has_perplexity = false;
  for (const lwqat::v1::Measured& measured : run.measured()) {
    absl::StrAppend(&rows, MeasuredRow(measured));
    has_perplexity = has_perplexity || measured.metric() == kPerplexityMetric;
  }
  if (rows.empty()) return "\n## Measured\n\nNothing was measured in the run that made it.\n";
  std::string section = absl::StrCat("\n## Measured\n\nBy lwq, on the blocks as they were trained.");
  const lwqat::v1::Recipe& recipe = run.plan().recipe();
  if (has_perplexity && recipe.has_ppl_seqlen()) {
    absl::StrAppend(&section, " Perplexities are over windows of ", recipe.ppl_seqlen(), " tokens.");
  }
  return absl::StrCat(section,
                      "\n\n| model | text or task | metric | value | over |\n| --- | --- | --- | --- | --- |\n", rows);
}

// What the export rounded on its way from what was trained and measured.
std::string RoundingText(const Run& run) {
  for (const lwqat::v1::Task& task : run.tasks()) {
    if (task.kind() != TaskKindName(TaskKind::kExport)) continue;
    const auto metrics = ParseJson(task.metrics_json(), "metrics");
    if (!metrics.ok() || !metrics->is_object()) continue;
    const int64_t weights = JsonInt(*metrics, "weights_rounded", "metrics").value_or(0);
    const int64_t scales = JsonInt(*metrics, "scales_rounded", "metrics").value_or(0);
    if (weights == 0 && scales == 0) return "\nThe files hold the trained weights exactly.\n";
    std::string text = "\nThe files do not hold the trained weights exactly:";
    if (scales > 0) {
      absl::StrAppend(&text, " ", scales, " scales were rounded to fp16, by at most ",
                      Number(JsonDouble(*metrics, "max_scale_rounding", "metrics").value_or(0)), " of their value;");
    }
    if (weights > 0) {
      absl::StrAppend(&text, " ", weights, " weights were rounded, by at most ",
                      Number(JsonDouble(*metrics, "max_weight_rounding", "metrics").value_or(0)), ";");
    }
    text.back() = '.';
    return text + "\n";
  }
  return "";
}

std::string LoadingSection(ExportFormat format, const ServedModel& model) {
  std::string section = absl::StrCat(kLoading, "\n## How to load it\n\nThe format is `", WordOf(format),
                                     "`. What follows is of these versions; put the folder's path in place of ",
                                     kExportedDirectory, ".\n");
  for (const LoadingAdvice& advice : HowToLoad(format, model)) {
    absl::StrAppend(&section, "\n**", advice.consumer, "**", advice.code.empty() ? ": not for this export. " : ". ",
                    advice.outcome, "\n");
    if (advice.code.empty()) continue;
    absl::StrAppend(&section, "```", advice.language, "\n", absl::StrJoin(advice.code, "\n"), "\n```\n");
  }
  return absl::StrCat(section, kLoadingEnd, "\n");
}

// `text` with what stands from `begin` up to and with `end` replaced; as it is where it does not have both.
std::string Replaced(std::string text, std::string_view begin, std::string_view end, std::string_view replacement) {
  const size_t from = text.find(begin);
  if (from == std::string::npos) return text;
  const size_t to = text.find(end, from);
  if (to == std::string::npos) return text;
  return text.replace(from, to + end.size() - from, replacement);
}

}  // namespace

std::string ModelCard(const Run& run, const CardInputs& inputs) {
  std::string card =
      absl::StrCat(FrontMatterOf(run, inputs), Heading(run, inputs), PlanTable(run), MeasuredTable(run),
                   RoundingText(run), "\n", LoadingSection(FormatOf(run), ServedModelOf(run)), RecipeTable(run));
  if (inputs.base_card.has_value()) {
    absl::StrAppend(&card, "\n## The model that was quantized\n\nIts own card is [", kBaseCardFile, "](", kBaseCardFile,
                    "). Benchmarks there are of that model, not of this one.\n");
  }
  absl::StrAppend(&card, "\nRun ", ShortId(run.id()), ", result digest `", run.result_digest(), "`.\n");
  return card;
}

bool IsModelCard(std::string_view text) {
  return text.find(kMark) != std::string_view::npos;
}

std::string ConvertedModelCard(std::string_view card, ExportFormat format, const ServedModel& model) {
  if (!IsModelCard(card)) return std::string(card);
  std::string tags = TagLines(format, model);
  std::string loading = LoadingSection(format, model);
  tags.pop_back();  // the line ends that follow the marks stay where they are
  loading.pop_back();
  return Replaced(Replaced(std::string(card), "tags:\n", kTagsEnd, tags), kLoading, kLoadingEnd, loading);
}

}  // namespace lwq::reporting
