// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/run_spec.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/eval_tasks/eval_task_names.h"
#include "common/text/one_line.h"
#include "coordinator/plan/policy/scores.h"
#include "coordinator/plan/recipe/scale_search.h"
#include "coordinator/plan/recipe/scale_training.h"
#include "coordinator/plan/remarks.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMaxNameBytes = 200;
constexpr size_t kMaxEvalTexts = 64;
constexpr int kMaxPriority = 1'000'000;

Status CheckName(std::string_view field, std::string_view name) {
  if (name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " has ", name.size(), " bytes, at most ", kMaxNameBytes, " are allowed"));
  }
  const bool printable =
      std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
  if (!printable)
    return absl::InvalidArgumentError(absl::StrCat(field, " has a control character; use one line of text"));
  return absl::OkStatus();
}

Status CheckArtifact(std::string_view field, const ArtifactRef& artifact) {
  if (artifact.digest.is_zero())
    return absl::InvalidArgumentError(absl::StrCat(field, " names no artifact: upload it first"));
  if (artifact.size_bytes < 0) {
    return absl::InvalidArgumentError(absl::StrCat(field, " has a size of ", artifact.size_bytes, " bytes"));
  }
  return absl::OkStatus();
}

Status CheckKindClasses(const KindBases& kind_classes) {
  for (const auto& [kind, base] : kind_classes) {
    const std::string field = absl::StrCat("kind_classes.", TaskKindName(kind));
    if (!IsPinnedKind(kind)) {
      return absl::InvalidArgumentError(absl::StrCat(
          field, ": the bits of this kind are the same on every machine, it is never pinned; leave it out"));
    }
    if (base.empty()) return absl::InvalidArgumentError(absl::StrCat(field, " is empty: name a class or leave it out"));
    LWQ_RETURN_IF_ERROR(CheckName(field, base));
  }
  return absl::OkStatus();
}

// The first problem outside the recipe.
Status CheckParts(const RunSpec& spec, const Recipe& recipe) {
  LWQ_RETURN_IF_ERROR(CheckName("name", spec.name));
  LWQ_RETURN_IF_ERROR(CheckName("project", spec.project));
  LWQ_RETURN_IF_ERROR(CheckName("numerics_class", spec.numerics_class));
  LWQ_RETURN_IF_ERROR(CheckKindClasses(spec.kind_classes));
  if (spec.priority < -kMaxPriority || spec.priority > kMaxPriority) {
    return absl::InvalidArgumentError(
        absl::StrCat("priority is ", spec.priority, ", must be between -", kMaxPriority, " and ", kMaxPriority));
  }
  if (spec.model.has_value()) {
    LWQ_RETURN_IF_ERROR(CheckName("model.name", spec.model->name));
    if (TraitsOf(recipe.method).needs_model) LWQ_RETURN_IF_ERROR(CheckArtifact("model.files", spec.model->files));
  }
  const bool has_texts = (recipe.eval_ppl || recipe.eval_kl) && !spec.eval_texts.empty();
  if (recipe.eval_kl && spec.eval_texts.empty()) {
    return absl::InvalidArgumentError(
        "eval_kl compares models on eval_texts, and there is none: give a text, or leave eval_kl out");
  }
  if (recipe.method == Method::kNone && !has_texts && spec.eval_tasks.empty()) {
    return absl::InvalidArgumentError(
        "method none only evaluates: give at least one eval text and leave eval_ppl on, or choose another method");
  }
  if (!spec.sensitivity_scores.empty()) {
    LWQ_RETURN_IF_ERROR(CheckScores(spec.sensitivity_scores, "sensitivity_scores"));
  }
  const bool measures = WithPolicies(spec, recipe).measures_sensitivity;
  const bool calibrates =
      TraitsOf(recipe.method).reads_activations || measures || Prepares(recipe) || TrainsScales(recipe);
  const bool tokenizes = calibrates || (TraitsOf(recipe.method).needs_model && (has_texts || !spec.eval_tasks.empty()));
  if (tokenizes) LWQ_RETURN_IF_ERROR(CheckArtifact("model.tokenizer", spec.model->tokenizer));
  if (calibrates) {
    if (!spec.calibration.has_value()) {
      return absl::InvalidArgumentError(
          TraitsOf(recipe.method).trains ? "calibration is missing: method block_ap trains on a calibration text"
          : TraitsOf(recipe.method).reads_activations
              ? absl::StrCat("calibration is missing: method ", WordOf(recipe.method),
                             " rounds a block by what it reads of a calibration text")
          : measures             ? "calibration is missing: the blocks' sensitivity is measured on a calibration text"
          : TrainsScales(recipe) ? "calibration is missing: e2e_qp trains scales on a calibration text"
                                 : "calibration is missing: prepare awq searches its scales on a calibration text");
    }
    LWQ_RETURN_IF_ERROR(CheckName("calibration.name", spec.calibration->name));
    LWQ_RETURN_IF_ERROR(CheckArtifact("calibration.files", spec.calibration->files));
  }
  if (spec.eval_texts.size() > kMaxEvalTexts) {
    return absl::InvalidArgumentError(
        absl::StrCat("eval_texts has ", spec.eval_texts.size(), " texts, at most ", kMaxEvalTexts, " are allowed"));
  }
  std::set<std::string> names;
  for (const TextSource& task : spec.eval_tasks) {
    if (!IsEvalTask(task.name)) {
      return absl::InvalidArgumentError(absl::StrCat("eval_tasks has '", OneLine(task.name, kMaxNameBytes),
                                                     "', which is no task; tasks are ", EvalTaskNames()));
    }
    LWQ_RETURN_IF_ERROR(CheckArtifact(absl::StrCat("eval_tasks '", task.name, "'"), task.files));
    if (!names.insert(task.name).second) {
      return absl::InvalidArgumentError(absl::StrCat("eval_tasks has '", task.name, "' twice: give each task once"));
    }
  }
  std::map<Digest, std::string> contents;
  for (const TextSource& text : spec.eval_texts) {
    LWQ_RETURN_IF_ERROR(CheckName("eval_texts.name", text.name));
    LWQ_RETURN_IF_ERROR(CheckArtifact(absl::StrCat("eval_texts '", text.name, "'"), text.files));
    if (!names.insert(text.name).second) {
      const bool is_task = IsEvalTask(text.name);
      return absl::InvalidArgumentError(absl::StrCat("eval_texts has '", text.name, "' ",
                                                     is_task ? "as eval_tasks has" : "twice",
                                                     ": give each text its own name"));
    }
    const auto [same, added] = contents.emplace(text.files.digest, text.name);
    if (!added) {
      return absl::InvalidArgumentError(
          absl::StrCat("eval_texts '", same->second, "' and '", text.name, "' are the same text: list it once"));
    }
  }
  return absl::OkStatus();
}

Json InputToJson(const ArtifactRef& artifact) {
  return Json{{"digest", artifact.digest.hex()}, {"size_bytes", artifact.size_bytes}};
}

StatusOr<ArtifactRef> InputFromJson(const Json& json, std::string_view field) {
  if (!json.contains(field)) return absl::DataLossError(absl::StrCat("'", field, "' is missing"));
  const Json& object = json[std::string(field)];
  ArtifactRef artifact;
  LWQ_ASSIGN_OR_RETURN(const std::string digest, JsonString(object, "digest", field));
  LWQ_ASSIGN_OR_RETURN(artifact.digest, Digest::FromHex(digest));
  LWQ_ASSIGN_OR_RETURN(artifact.size_bytes, JsonInt(object, "size_bytes", field));
  return artifact;
}

Json TextToJson(const TextSource& text) {
  return Json{{"name", text.name}, {"files", InputToJson(text.files)}};
}

StatusOr<TextSource> TextFromJson(const Json& json) {
  TextSource text;
  LWQ_ASSIGN_OR_RETURN(text.name, JsonString(json, "name", "text"));
  LWQ_ASSIGN_OR_RETURN(text.files, InputFromJson(json, "files"));
  return text;
}

StatusOr<RunSpec> ParseSpec(const Json& json) {
  RunSpec spec;
  LWQ_ASSIGN_OR_RETURN(spec.name, JsonString(json, "name", "spec"));
  if (json.contains("model")) {
    const Json& model = json["model"];
    ModelSource source;
    LWQ_ASSIGN_OR_RETURN(source.name, JsonString(model, "name", "model"));
    LWQ_ASSIGN_OR_RETURN(source.config_json, JsonString(model, "config_json", "model"));
    LWQ_ASSIGN_OR_RETURN(source.files, InputFromJson(model, "files"));
    LWQ_ASSIGN_OR_RETURN(source.tokenizer, InputFromJson(model, "tokenizer"));
    if (model.contains("companions")) {
      LWQ_ASSIGN_OR_RETURN(source.companions, InputFromJson(model, "companions"));
    }
    if (model.contains("uri")) {
      LWQ_ASSIGN_OR_RETURN(source.uri, JsonString(model, "uri", "model"));
    }
    spec.model = std::move(source);
  }
  if (json.contains("calibration")) {
    LWQ_ASSIGN_OR_RETURN(spec.calibration, TextFromJson(json["calibration"]));
  }
  if (!json.contains("eval_texts") || !json["eval_texts"].is_array() || !json.contains("recipe")) {
    return absl::DataLossError("'eval_texts' or 'recipe' is missing");
  }
  for (const Json& text : json["eval_texts"]) {
    LWQ_ASSIGN_OR_RETURN(TextSource source, TextFromJson(text));
    spec.eval_texts.push_back(std::move(source));
  }
  if (json.contains("eval_tasks")) {
    if (!json["eval_tasks"].is_array()) return absl::DataLossError("'eval_tasks' is not a list");
    for (const Json& task : json["eval_tasks"]) {
      LWQ_ASSIGN_OR_RETURN(TextSource source, TextFromJson(task));
      spec.eval_tasks.push_back(std::move(source));
    }
  }
  LWQ_ASSIGN_OR_RETURN(spec.recipe, PartialRecipeFromJson(json["recipe"]));
  if (json.contains("sensitivity_scores")) {
    if (!json["sensitivity_scores"].is_array()) return absl::DataLossError("'sensitivity_scores' is not a list");
    for (const Json& score : json["sensitivity_scores"]) {
      if (!score.is_number()) return absl::DataLossError("'sensitivity_scores' has an entry that is not a number");
      spec.sensitivity_scores.push_back(score.get<double>());
    }
  }
  LWQ_ASSIGN_OR_RETURN(const int64_t priority, JsonInt(json, "priority", "spec"));
  spec.priority = static_cast<int>(priority);
  if (json.contains("project")) {
    LWQ_ASSIGN_OR_RETURN(spec.project, JsonString(json, "project", "spec"));
  }
  LWQ_ASSIGN_OR_RETURN(spec.numerics_class, JsonString(json, "numerics_class", "spec"));
  if (json.contains("kind_classes")) {
    LWQ_ASSIGN_OR_RETURN(spec.kind_classes, KindBasesFromJson(json["kind_classes"]));
  }
  if (json.contains("rung_evaluations")) {
    if (!json["rung_evaluations"].is_array()) return absl::DataLossError("'rung_evaluations' is not a list");
    for (const Json& blocks : json["rung_evaluations"]) {
      if (!blocks.is_number_integer()) return absl::DataLossError("'rung_evaluations' has an entry that is no number");
      spec.rung_evaluations.push_back(blocks.get<int64_t>());
    }
  }
  return spec;
}

}  // namespace

ResolvedRecipe WithPolicies(const RunSpec& spec, const Recipe& recipe) {
  return WithPolicies(recipe, !spec.sensitivity_scores.empty());
}

StatusOr<Plan> PlanOfRun(const RunSpec& spec, const LlamaConfig* model, const ResolvedRecipe& resolved,
                         const std::vector<Measurement>& measurements) {
  LWQ_ASSIGN_OR_RETURN(Plan plan,
                       MakePlan(resolved, model, {spec.sensitivity_scores, measurements, !spec.eval_tasks.empty()}));
  if (model != nullptr) plan.chosen_defaults = DefaultRemarks(spec.recipe, resolved.fields, *model);
  return plan;
}

StatusOr<Plan> PlanOfRun(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe,
                         const std::vector<Measurement>& measurements) {
  return PlanOfRun(spec, model, WithPolicies(spec, recipe), measurements);
}

std::set<TaskKind> KindsOfRun(const RunSpec& spec, const Recipe& recipe) {
  return KindsOfRun(
      WithPolicies(spec, recipe),
      {.texts = !spec.eval_texts.empty(), .tasks = !spec.eval_tasks.empty(), .rungs = !spec.rung_evaluations.empty()});
}

StatusOr<ResolvedSpec> ResolveSpec(const RunSpec& spec) {
  ResolvedSpec resolved;
  resolved.spec = spec;
  if (TraitsOf(MethodOf(spec.recipe)).needs_model) {
    if (!spec.model.has_value()) return absl::InvalidArgumentError("model is missing");
    StatusOr<LlamaConfig> config = LlamaConfig::Parse(spec.model->config_json);
    if (!config.ok()) return Annotate(config.status(), absl::StrCat("model '", spec.model->name, "'"));
    if (!config->quantization_config.is_null() && MethodOf(spec.recipe) != Method::kNone) {
      return absl::FailedPreconditionError(absl::StrCat("model '", spec.model->name,
                                                        "' is already quantized: it can be evaluated (method none), "
                                                        "but to quantize it, start from the full-precision model"));
    }
    resolved.model = std::make_shared<const LlamaConfig>(*std::move(config));
  }
  LWQ_ASSIGN_OR_RETURN(resolved.recipe, ResolveRecipe(spec.recipe, resolved.model.get()));
  LWQ_RETURN_IF_ERROR(CheckParts(spec, resolved.recipe));
  const size_t scores = spec.sensitivity_scores.size();
  if (resolved.model != nullptr && scores > 0 && static_cast<int64_t>(scores) != resolved.model->num_hidden_layers) {
    return absl::InvalidArgumentError(absl::StrCat("sensitivity_scores has ", scores, " scores, model '",
                                                   spec.model->name, "' has ", resolved.model->num_hidden_layers,
                                                   " blocks: give one score for each block"));
  }
  return resolved;
}

Json RunSpecToJson(const RunSpec& spec) {
  Json json{{"name", spec.name},
            {"eval_texts", Json::array()},
            {"recipe", RecipeToJson(spec.recipe)},
            {"priority", spec.priority},
            {"numerics_class", spec.numerics_class}};
  if (!spec.project.empty()) json["project"] = spec.project;
  if (spec.model.has_value()) {
    json["model"] = Json{{"name", spec.model->name},
                         {"config_json", spec.model->config_json},
                         {"files", InputToJson(spec.model->files)},
                         {"tokenizer", InputToJson(spec.model->tokenizer)}};
    if (!spec.model->companions.digest.is_zero()) {
      json["model"]["companions"] = InputToJson(spec.model->companions);
    }
    if (!spec.model->uri.empty()) json["model"]["uri"] = spec.model->uri;
  }
  if (!spec.sensitivity_scores.empty()) json["sensitivity_scores"] = spec.sensitivity_scores;
  if (!spec.kind_classes.empty()) json["kind_classes"] = KindBasesToJson(spec.kind_classes);
  if (!spec.rung_evaluations.empty()) json["rung_evaluations"] = spec.rung_evaluations;
  if (spec.calibration.has_value()) json["calibration"] = TextToJson(*spec.calibration);
  for (const TextSource& text : spec.eval_texts) json["eval_texts"].push_back(TextToJson(text));
  for (const TextSource& task : spec.eval_tasks) json["eval_tasks"].push_back(TextToJson(task));
  return json;
}

StatusOr<RunSpec> RunSpecFromJson(const Json& json) {
  StatusOr<RunSpec> spec = ParseSpec(json);
  if (!spec.ok()) return absl::DataLossError(absl::StrCat("stored run: ", spec.status().message()));
  return spec;
}

}  // namespace lwq::coordinator
