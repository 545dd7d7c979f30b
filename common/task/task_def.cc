#include "common/task/task_def.h"

#include <array>
#include <utility>

namespace lwq {
namespace {

constexpr std::array<std::pair<TaskKind, std::string_view>, 16> kKindNames = {{
    {TaskKind::kTokenize, "tokenize"},
    {TaskKind::kEmbed, "embed"},
    {TaskKind::kAdvance, "advance"},
    {TaskKind::kTrainBlock, "train_block"},
    {TaskKind::kRtnBlock, "rtn_block"},
    {TaskKind::kEvaluatePpl, "evaluate_ppl"},
    {TaskKind::kReducePpl, "reduce_ppl"},
    {TaskKind::kExport, "export"},
    {TaskKind::kLossGradient, "loss_gradient"},
    {TaskKind::kBackwardBlock, "backward_block"},
    {TaskKind::kGradientNorm, "gradient_norm"},
    {TaskKind::kOutputFisher, "output_fisher"},
    {TaskKind::kLossDelta, "loss_delta"},
    {TaskKind::kHessian, "hessian"},
    {TaskKind::kWeightError, "weight_error"},
    {TaskKind::kNoop, "noop"},
}};

Json KeyMaterial(const TaskDef& def) {
  return Json{{"kind", TaskKindName(def.kind)},
              {"version", TaskKindVersion(def.kind)},
              {"params", def.params},
              {"numerics_class", def.numerics_class}};
}

Json RefToJson(const ArtifactRef& ref) {
  return Json{{"digest", ref.digest.hex()}, {"size_bytes", ref.size_bytes}};
}

}  // namespace

std::string_view TaskKindName(TaskKind kind) {
  for (const auto& [known, name] : kKindNames) {
    if (known == kind) return name;
  }
  LWQ_CHECK(false, "task kind ", static_cast<int>(kind), " has no name");
  return {};
}

StatusOr<TaskKind> ParseTaskKind(std::string_view name) {
  for (const auto& [kind, known] : kKindNames) {
    if (known == name) return kind;
  }
  return absl::InvalidArgumentError(absl::StrCat("task kind '", name, "' is unknown to this version"));
}

int TaskKindVersion(TaskKind kind) {
  switch (kind) {
    case TaskKind::kEmbed:
    case TaskKind::kReducePpl:
    case TaskKind::kGradientNorm:
    case TaskKind::kNoop:
      return 1;
    // 2: texts by content, added tokens beside tokenizer.model, BOS as transformers 5 adds it.
    case TaskKind::kTokenize:
    // 2: the scales' lower end.
    case TaskKind::kRtnBlock:
    case TaskKind::kExport:
    case TaskKind::kWeightError:
      return 2;
    // 2: rope_scaling counts beside rope_parameters, a head of its own beside a tied embedding, the scales' lower end; bf16
    // blocks and heads by fused kernels. 3: powers of two in their softmax; evaluations, loss_delta and output_fisher by
    // fused kernels in float32, too. 4: attention of fused kernels by tiles of keys.
    case TaskKind::kAdvance:
    case TaskKind::kTrainBlock:
    case TaskKind::kEvaluatePpl:  // 2: and a shard's losses, where 1 was a whole text's perplexity
    case TaskKind::kLossGradient:
    case TaskKind::kBackwardBlock:
    case TaskKind::kOutputFisher:
    case TaskKind::kLossDelta:
    case TaskKind::kHessian:
      return 4;
  }
  return 0;
}

Digest DerivationKeyOf(const TaskDef& def) {
  Json material = KeyMaterial(def);
  Json& inputs = material["inputs"] = Json::object();
  for (const auto& [role, input] : def.inputs) {
    if (const auto* leaf = std::get_if<ArtifactRef>(&input)) {
      inputs[role] = Json{{"content", leaf->digest.hex()}};
    } else {
      const auto& made = std::get<TaskOutputRef>(input);
      inputs[role] = Json{{"derivation", made.derivation_key.hex()}, {"output", made.output}};
    }
  }
  return DigestOf(CanonicalJson(material));
}

Digest ActionKeyOf(const TaskDef& def, const std::map<std::string, ArtifactRef>& inputs, int lr_halvings) {
  Json material = KeyMaterial(def);
  Json& contents = material["contents"] = Json::object();
  for (const auto& [role, input] : def.inputs) {
    const auto it = inputs.find(role);
    LWQ_CHECK(it != inputs.end(), "input '", role, "' of ", TaskKindName(def.kind), " has no content yet");
    contents[role] = it->second.digest.hex();
  }
  if (lr_halvings > 0) material["lr_halvings"] = lr_halvings;
  return DigestOf(CanonicalJson(material));
}

Json TaskDefToJson(const TaskDef& def) {
  Json inputs = Json::object();
  for (const auto& [role, input] : def.inputs) {
    if (const auto* leaf = std::get_if<ArtifactRef>(&input)) {
      inputs[role] = RefToJson(*leaf);
    } else {
      const auto& made = std::get<TaskOutputRef>(input);
      inputs[role] = Json{{"derivation_key", made.derivation_key.hex()}, {"output", made.output}};
    }
  }
  return Json{{"kind", TaskKindName(def.kind)},
              {"params", def.params},
              {"numerics_class", def.numerics_class},
              {"inputs", std::move(inputs)}};
}

StatusOr<TaskDef> TaskDefFromJson(const Json& json, std::string_view what) {
  const auto parse = [&]() -> StatusOr<TaskDef> {
    TaskDef def;
    LWQ_ASSIGN_OR_RETURN(const std::string kind, JsonString(json, "kind", what));
    LWQ_ASSIGN_OR_RETURN(def.kind, ParseTaskKind(kind));
    LWQ_ASSIGN_OR_RETURN(def.numerics_class, JsonString(json, "numerics_class", what));
    if (!json.contains("params") || !json.contains("inputs") || !json["inputs"].is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": 'params' or 'inputs' is missing"));
    }
    def.params = json["params"];
    for (const auto& [role, input] : json["inputs"].items()) {
      if (input.contains("derivation_key")) {
        LWQ_ASSIGN_OR_RETURN(const std::string key, JsonString(input, "derivation_key", what));
        TaskOutputRef made;
        LWQ_ASSIGN_OR_RETURN(made.derivation_key, Digest::FromHex(key));
        LWQ_ASSIGN_OR_RETURN(made.output, JsonString(input, "output", what));
        def.inputs[role] = made;
      } else {
        LWQ_ASSIGN_OR_RETURN(const std::string digest, JsonString(input, "digest", what));
        ArtifactRef leaf;
        LWQ_ASSIGN_OR_RETURN(leaf.digest, Digest::FromHex(digest));
        LWQ_ASSIGN_OR_RETURN(leaf.size_bytes, JsonInt(input, "size_bytes", what));
        def.inputs[role] = leaf;
      }
    }
    return def;
  };
  StatusOr<TaskDef> def = parse();
  if (!def.ok()) return absl::DataLossError(def.status().message());
  return def;
}

}  // namespace lwq
