// SPDX-License-Identifier: Apache-2.0
// What a user submits, without the wire's types: model, data, recipe. Artifacts are named, never opened.
// Pure values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/json/json.h"
#include "common/model/llama_config.h"
#include "common/status/status.h"
#include "coordinator/graph/kind_classes.h"
#include "coordinator/plan/plan.h"
#include "coordinator/plan/recipe/recipe.h"
#include "coordinator/plan/recipe/run_kinds.h"

namespace lwq::coordinator {

struct ModelSource {
  std::string name;  // for people
  ArtifactRef files;
  ArtifactRef tokenizer;
  std::string config_json;      // the text of config.json
  ArtifactRef companions = {};  // files that an export takes along; zero where there are none
  std::string uri = {};         // hf://…, for people; empty where it has none
};

struct TextSource {
  std::string name;  // for people; labels the perplexity measured on it
  ArtifactRef files;
};

struct RunSpec {
  std::string name;
  std::optional<ModelSource> model;  // absent only for method "noop"
  std::optional<TextSource> calibration;
  std::vector<TextSource> eval_texts;
  std::vector<TextSource> eval_tasks = {};  // named as zero-shot tasks are (common/eval_tasks/eval_task_names.h)
  PartialRecipe recipe;
  // How sensitive each block is, measured elsewhere (sensitivity_file); empty where nothing is known.
  std::vector<double> sensitivity_scores;
  int priority = 0;            // within its project
  std::string project = "";    // whose share of the device time it takes
  std::string numerics_class;  // base to pin to; "" = chosen
  KindBases kind_classes;      // bases to pin single kinds to: these win over numerics_class
  // Numbers of trained blocks, rising, after which the model as it is then is evaluated on the first text: its sweep's
  // halving goes by that. Not a client's to say.
  std::vector<int64_t> rung_evaluations = {};
};

// A spec that passed every check, with what was derived from it.
struct ResolvedSpec {
  RunSpec spec;
  std::shared_ptr<const LlamaConfig> model;  // null only for method "noop"
  Recipe recipe;                             // "auto" not yet decided (PinRecipe)
};

// INVALID_ARGUMENT: an impossible value, a missing part, names that are not one line. FAILED_PRECONDITION: a model or a
// combination that is not supported. One line each.
StatusOr<ResolvedSpec> ResolveSpec(const RunSpec& spec);

// The recipe of the spec's run, resolved (pinned or not), with its policies: whether scores are given is the spec's to
// say.
ResolvedRecipe WithPolicies(const RunSpec& spec, const Recipe& recipe);

// MakePlan of the spec's run, with what was chosen for it. `recipe` is the spec's, resolved. Errors of MakePlan.
StatusOr<Plan> PlanOfRun(const RunSpec& spec, const LlamaConfig* model, const ResolvedRecipe& resolved,
                         const std::vector<Measurement>& measurements);
StatusOr<Plan> PlanOfRun(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe,
                         const std::vector<Measurement>& measurements);

// The kinds of tasks that a run of the spec and its resolved recipe needs (plan/recipe/run_kinds.h).
std::set<TaskKind> KindsOfRun(const RunSpec& spec, const Recipe& recipe);

// For the store. FromJson: DATA_LOSS.
Json RunSpecToJson(const RunSpec& spec);
StatusOr<RunSpec> RunSpecFromJson(const Json& json);

}  // namespace lwq::coordinator
