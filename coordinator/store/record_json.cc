// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/record_json.h"

#include <cmath>

#include "common/json/json.h"

namespace lwq::coordinator {
namespace {

Status Damaged(std::string_view what) {
  return absl::DataLossError(absl::StrCat("stored ", what, " is not readable"));
}

constexpr TaskPurpose kPurposes[] = {TaskPurpose::kStep, TaskPurpose::kCheckpoint, TaskPurpose::kExport,
                                     TaskPurpose::kEvaluation, TaskPurpose::kRungEvaluation};

Json ArtifactToJson(const ArtifactRef& artifact) {
  return Json{{"digest", artifact.digest.hex()}, {"size_bytes", artifact.size_bytes}};
}

StatusOr<ArtifactRef> ArtifactFromJson(const Json& json) {
  const StatusOr<std::string> hex = JsonString(json, "digest", "artifact");
  const StatusOr<int64_t> size_bytes = JsonInt(json, "size_bytes", "artifact");
  if (!hex.ok() || !size_bytes.ok()) return Damaged("artifact reference");
  const StatusOr<Digest> digest = Digest::FromHex(*hex);
  if (!digest.ok()) return Damaged("artifact reference");
  return ArtifactRef{*digest, *size_bytes};
}

// A perplexity as versions before "measured" stored it; one that overflowed was written as null.
StatusOr<Measured> MeasuredFromPerplexity(const Json& json) {
  Measured measured{.metric = kPerplexityMetric};
  LWQ_ASSIGN_OR_RETURN(measured.subject, JsonString(json, "model", "result"));
  LWQ_ASSIGN_OR_RETURN(measured.dataset, JsonString(json, "text", "result"));
  LWQ_ASSIGN_OR_RETURN(measured.count, JsonInt(json, "tokens", "result"));
  const StatusOr<double> perplexity = JsonDouble(json, "perplexity", "result");
  measured.value = perplexity.ok() ? *perplexity : HUGE_VAL;
  if (const StatusOr<bool> add_bos = JsonBool(json, "add_bos", "result"); add_bos.ok()) measured.add_bos = *add_bos;
  return measured;
}

// Of a run's result, in either form.
StatusOr<std::vector<Measured>> MeasuredFromResult(const Json& result) {
  const bool today = result.contains("measured");
  const auto list = result.find(today ? "measured" : "perplexities");
  if (list == result.end() || !list->is_array()) return Damaged("run result");
  std::vector<Measured> all;
  for (const Json& entry : *list) {
    StatusOr<Measured> measured = today ? Measured::FromJson(entry) : MeasuredFromPerplexity(entry);
    if (!measured.ok()) return Damaged("run result");
    all.push_back(*std::move(measured));
  }
  return all;
}

}  // namespace

StatusOr<RunState> ParseRunState(std::string_view name) {
  for (int i = 0; i < kRunStates; ++i) {
    if (RunStateName(static_cast<RunState>(i)) == name) return static_cast<RunState>(i);
  }
  return Damaged("run state");
}

StatusOr<TaskState> ParseTaskState(std::string_view name) {
  for (int i = 0; i < kTaskStates; ++i) {
    if (TaskStateName(static_cast<TaskState>(i)) == name) return static_cast<TaskState>(i);
  }
  return Damaged("task state");
}

std::string_view TaskPurposeName(TaskPurpose purpose) {
  switch (purpose) {
    case TaskPurpose::kStep:
      return "step";
    case TaskPurpose::kCheckpoint:
      return "checkpoint";
    case TaskPurpose::kExport:
      return "export";
    case TaskPurpose::kEvaluation:
      return "evaluation";
    case TaskPurpose::kRungEvaluation:
      return "rung evaluation";
  }
  return "step";
}

StatusOr<TaskPurpose> ParseTaskPurpose(std::string_view name) {
  for (const TaskPurpose purpose : kPurposes) {
    if (TaskPurposeName(purpose) == name) return purpose;
  }
  return Damaged("task purpose");
}

std::string DigestText(const Digest& digest) {
  return digest.is_zero() ? "" : digest.hex();
}

StatusOr<Digest> ParseDigestText(std::string_view text) {
  if (text.empty()) return Digest();
  const StatusOr<Digest> digest = Digest::FromHex(text);
  if (!digest.ok()) return Damaged("digest");
  return *digest;
}

std::string OutputsToText(const std::map<std::string, ArtifactRef>& outputs) {
  Json json = Json::object();
  for (const auto& [role, artifact] : outputs) json[role] = ArtifactToJson(artifact);
  return CanonicalJson(json);
}

StatusOr<std::map<std::string, ArtifactRef>> OutputsFromText(std::string_view text) {
  const StatusOr<Json> json = ParseJson(text, "outputs");
  if (!json.ok() || !json->is_object()) return Damaged("list of outputs");
  std::map<std::string, ArtifactRef> outputs;
  for (const auto& [role, artifact] : json->items()) {
    LWQ_ASSIGN_OR_RETURN(outputs[role], ArtifactFromJson(artifact));
  }
  return outputs;
}

std::string ResultToText(const RunResult& result) {
  Json json{{"measured", Json::array()}, {"result_digest", result.result_digest}};
  for (const Measured& one : result.measured) json["measured"].push_back(one.ToJson());
  if (result.exported.has_value()) json["export"] = ArtifactToJson(*result.exported);
  return CanonicalJson(json);
}

StatusOr<RunResult> ResultFromText(std::string_view text) {
  const StatusOr<Json> json = ParseJson(text, "result");
  if (!json.ok() || !json->is_object()) return Damaged("run result");
  RunResult result;
  LWQ_ASSIGN_OR_RETURN(result.measured, MeasuredFromResult(*json));
  const StatusOr<std::string> digest = JsonString(*json, "result_digest", "result");
  if (!digest.ok()) return Damaged("run result");
  result.result_digest = *digest;
  if (json->contains("export")) {
    LWQ_ASSIGN_OR_RETURN(result.exported, ArtifactFromJson((*json)["export"]));
  }
  return result;
}

std::string MeasurementsToText(const std::vector<Measurement>& measurements) {
  Json json = Json::array();
  for (const Measurement& measurement : measurements) json.push_back(MeasurementToJson(measurement));
  return CanonicalJson(json);
}

StatusOr<std::vector<Measurement>> MeasurementsFromText(std::string_view text) {
  const StatusOr<Json> json = ParseJson(text, "measurements");
  if (!json.ok() || !json->is_array()) return Damaged("list of measurements");
  std::vector<Measurement> measurements;
  for (const Json& one : *json) {
    LWQ_ASSIGN_OR_RETURN(Measurement measurement, MeasurementFromJson(one, "stored measurement"));
    measurements.push_back(std::move(measurement));
  }
  return measurements;
}

std::string FailuresToText(const std::array<int, kFailureCauses>& failures) {
  Json json = Json::object();
  for (size_t i = 0; i < failures.size(); ++i) {
    if (failures[i] > 0) json[std::string(FailureCauseName(static_cast<FailureCause>(i)))] = failures[i];
  }
  return CanonicalJson(json);
}

StatusOr<std::array<int, kFailureCauses>> FailuresFromText(std::string_view text) {
  const StatusOr<Json> json = ParseJson(text, "failures");
  if (!json.ok() || !json->is_object()) return Damaged("list of failures");
  std::array<int, kFailureCauses> failures{};
  for (size_t i = 0; i < failures.size(); ++i) {
    const auto it = json->find(std::string(FailureCauseName(static_cast<FailureCause>(i))));
    if (it == json->end()) continue;
    if (!it->is_number_integer()) return Damaged("list of failures");
    failures[i] = it->get<int>();
  }
  return failures;
}

std::string CheckpointToText(const std::optional<TaskCheckpoint>& checkpoint) {
  if (!checkpoint.has_value()) return "";
  return CanonicalJson(Json{{"artifact", ArtifactToJson(checkpoint->artifact)},
                            {"action", checkpoint->action.hex()},
                            {"token", static_cast<int64_t>(checkpoint->token)},
                            {"step", checkpoint->step},
                            {"steps", checkpoint->steps}});
}

StatusOr<std::optional<TaskCheckpoint>> CheckpointFromText(std::string_view text) {
  if (text.empty()) return std::optional<TaskCheckpoint>();
  const StatusOr<Json> json = ParseJson(text, "checkpoint");
  if (!json.ok() || !json->is_object() || !json->contains("artifact")) return Damaged("checkpoint");
  TaskCheckpoint checkpoint;
  LWQ_ASSIGN_OR_RETURN(checkpoint.artifact, ArtifactFromJson((*json)["artifact"]));
  const StatusOr<std::string> action = JsonString(*json, "action", "checkpoint");
  if (!action.ok()) return Damaged("checkpoint");
  LWQ_ASSIGN_OR_RETURN(checkpoint.action, ParseDigestText(*action));
  LWQ_ASSIGN_OR_RETURN(const int64_t token, JsonInt(*json, "token", "stored checkpoint"));
  checkpoint.token = static_cast<uint64_t>(token);
  LWQ_ASSIGN_OR_RETURN(checkpoint.step, JsonInt(*json, "step", "stored checkpoint"));
  LWQ_ASSIGN_OR_RETURN(checkpoint.steps, JsonInt(*json, "steps", "stored checkpoint"));
  return std::optional(checkpoint);
}

std::string KindBasesToText(const KindBases& bases) {
  return CanonicalJson(KindBasesToJson(bases));
}

StatusOr<KindBases> KindBasesFromText(std::string_view text) {
  const StatusOr<Json> json = ParseJson(text, "classes by kind");
  if (!json.ok()) return Damaged("list of classes by kind");
  return KindBasesFromJson(*json);
}

std::string MembersToText(const std::vector<SweepRecord::Member>& members) {
  Json json = Json::array();
  for (const SweepRecord::Member& member : members) {
    Json& one = json.emplace_back(Json{{"run", member.run.value}, {"labels", member.labels}});
    if (member.place + 1 != std::ssize(json)) one["place"] = member.place;  // others were deleted
  }
  return CanonicalJson(json);
}

StatusOr<std::vector<SweepRecord::Member>> MembersFromText(std::string_view text) {
  const StatusOr<Json> json = ParseJson(text, "members");
  if (!json.ok() || !json->is_array()) return Damaged("list of members");
  std::vector<SweepRecord::Member> members;
  for (const Json& one : *json) {
    const auto run = one.is_object() ? one.find("run") : one.end();
    const auto labels = one.is_object() ? one.find("labels") : one.end();
    if (run == one.end() || !run->is_string() || labels == one.end() || !labels->is_object()) {
      return Damaged("list of members");
    }
    const auto place = one.find("place");
    if (place != one.end() && !place->is_number_integer()) return Damaged("list of members");
    SweepRecord::Member& member = members.emplace_back();
    member.run.value = run->get<std::string>();
    member.place = place == one.end() ? std::ssize(members) - 1 : place->get<int64_t>();
    for (const auto& [axis, value] : labels->items()) {
      if (!value.is_string()) return Damaged("list of members");
      member.labels[axis] = value.get<std::string>();
    }
  }
  return members;
}

std::string HalvingToText(const std::optional<SweepHalving>& halving) {
  if (!halving.has_value()) return "";
  const HalvingRule& rule = halving->rule;
  return CanonicalJson(Json{{"metric", WordOf(halving->metric)},
                            {"order", WordOf(rule.order)},
                            {"runs", rule.runs},
                            {"min_blocks", rule.min_blocks},
                            {"blocks", rule.blocks},
                            {"eta", rule.eta}});
}

StatusOr<std::optional<SweepHalving>> HalvingFromText(std::string_view text) {
  if (text.empty()) return std::optional<SweepHalving>();
  const StatusOr<Json> json = ParseJson(text, "halving");
  if (!json.ok() || !json->is_object()) return Damaged("halving");
  const StatusOr<std::string> metric = JsonString(*json, "metric", "halving");
  const StatusOr<std::string> order = JsonString(*json, "order", "halving");
  const auto known_metric = metric.ok() ? ParseHalvingMetric(*metric) : std::nullopt;
  const auto known_order = order.ok() ? ParseHalvingOrder(*order) : std::nullopt;
  if (!known_metric.has_value() || !known_order.has_value()) return Damaged("halving");
  SweepHalving halving{.metric = *known_metric, .rule = {.order = *known_order}};
  LWQ_ASSIGN_OR_RETURN(halving.rule.runs, JsonInt(*json, "runs", "stored halving"));
  LWQ_ASSIGN_OR_RETURN(halving.rule.min_blocks, JsonInt(*json, "min_blocks", "stored halving"));
  LWQ_ASSIGN_OR_RETURN(halving.rule.blocks, JsonInt(*json, "blocks", "stored halving"));
  LWQ_ASSIGN_OR_RETURN(halving.rule.eta, JsonInt(*json, "eta", "stored halving"));
  return std::optional(halving);
}

std::string KindsToText(const std::vector<TaskKind>& kinds) {
  Json json = Json::array();
  for (const TaskKind kind : kinds) json.push_back(std::string(TaskKindName(kind)));
  return CanonicalJson(json);
}

StatusOr<std::vector<TaskKind>> KindsFromText(std::string_view text) {
  const StatusOr<Json> json = ParseJson(text, "kinds");
  if (!json.ok() || !json->is_array()) return Damaged("list of kinds");
  std::vector<TaskKind> kinds;
  for (const Json& name : *json) {
    if (!name.is_string()) return Damaged("list of kinds");
    const StatusOr<TaskKind> kind = ParseTaskKind(name.get<std::string>());
    if (!kind.ok()) return Damaged("list of kinds");
    kinds.push_back(*kind);
  }
  return kinds;
}

std::string ProjectsToText(const ProjectScope& projects) {
  return CanonicalJson(projects.all() ? Json("*") : Json(projects.names()));
}

StatusOr<ProjectScope> ProjectsFromText(std::string_view text) {
  const StatusOr<Json> json = ParseJson(text, "projects");
  if (!json.ok()) return Damaged("list of projects");
  if (*json == "*") return ProjectScope::All();
  if (!json->is_array()) return Damaged("list of projects");
  std::set<std::string> names;
  for (const Json& name : *json) {
    if (!name.is_string()) return Damaged("list of projects");
    names.insert(name.get<std::string>());
  }
  return ProjectScope::Of(std::move(names));
}

}  // namespace lwq::coordinator
