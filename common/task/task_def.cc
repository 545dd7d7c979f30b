// SPDX-License-Identifier: Apache-2.0
#include "common/task/task_def.h"

#include <utility>

#include "common/task/task_text.h"

namespace lwq {
namespace {

Json RefToJson(const ArtifactRef& ref) {
  return Json{{"digest", ref.digest.hex()}, {"size_bytes", ref.size_bytes}};
}

}  // namespace

Digest DerivationKeyOf(const TaskDef& def) {
  return DigestOf(DerivationText(def));
}

Digest ActionKeyOf(const TaskDef& def, const std::map<std::string, ArtifactRef>& inputs, int lr_halvings) {
  return DigestOf(ActionText(def, inputs, lr_halvings));
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
