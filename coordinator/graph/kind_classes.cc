// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/kind_classes.h"

#include "common/task/numerics_class.h"

namespace lwq::coordinator {

bool IsPinnedKind(TaskKind kind) {
  return TraitsOf(kind).arithmetic != Arithmetic::kSameEverywhere;
}

KindBases UniformBases(const std::string& base) {
  KindBases bases;
  if (base.empty()) return bases;
  for (const TaskKindTraits& traits : AllTaskKinds()) {
    if (IsPinnedKind(traits.kind)) bases[traits.kind] = base;
  }
  return bases;
}

std::string ClassOf(const KindBases& bases, TaskKind kind, const Recipe& recipe) {
  const auto base = bases.find(kind);
  if (base == bases.end()) return "";
  const bool fp32 = TraitsOf(kind).arithmetic == Arithmetic::kFp32;
  return NumericsClass(base->second, fp32 ? Precision::kFp32 : recipe.precision, recipe.threads);
}

Json KindBasesToJson(const KindBases& bases) {
  Json json = Json::object();
  for (const auto& [kind, base] : bases) json[std::string(TaskKindName(kind))] = base;
  return json;
}

StatusOr<KindBases> KindBasesFromJson(const Json& json) {
  if (!json.is_object()) return absl::DataLossError("stored classes by kind are not an object");
  KindBases bases;
  for (const auto& [name, base] : json.items()) {
    const StatusOr<TaskKind> kind = ParseTaskKind(name);
    if (!kind.ok() || !base.is_string()) return absl::DataLossError("stored classes by kind are not readable");
    bases[*kind] = base.get<std::string>();
  }
  return bases;
}

}  // namespace lwq::coordinator
