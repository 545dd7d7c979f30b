// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/task_result.h"

#include <utility>

namespace lwq {
namespace {

// {"digest","metrics","outputs"}: the digest is of the canonical text of the other two.
std::string SerializeRecord(const TaskResult& result) {
  Json record = TaskResultToJson(result);
  record["digest"] = DigestOf(CanonicalJson(record)).hex();
  return CanonicalJson(record);
}

}  // namespace

std::string ResultKey(const Digest& action_key) {
  return absl::StrCat("results/", action_key.hex());
}

Json TaskResultToJson(const TaskResult& result) {
  Json outputs = Json::object();
  for (const auto& [role, artifact] : result.outputs) {
    outputs[role] = {{"digest", artifact.digest.hex()}, {"size_bytes", artifact.size_bytes}};
  }
  return {{"outputs", std::move(outputs)}, {"metrics", result.metrics}};
}

StatusOr<TaskResult> TaskResultFromJson(const Json& json, std::string_view what) {
  if (!json.is_object()) return absl::InvalidArgumentError(absl::StrCat(what, " is not a JSON object"));
  const auto outputs = json.find("outputs");
  const auto metrics = json.find("metrics");
  if (outputs == json.end() || !outputs->is_object() || metrics == json.end() || !metrics->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": 'outputs' and 'metrics' must be objects"));
  }
  TaskResult result;
  for (const auto& [role, value] : outputs->items()) {
    const std::string output = absl::StrCat(what, ": output '", role, "'");
    ArtifactRef artifact;
    LWQ_ASSIGN_OR_RETURN(const std::string hex, JsonString(value, "digest", output));
    StatusOr<Digest> digest = Digest::FromHex(hex);
    if (!digest.ok()) return Annotate(digest.status(), output);
    artifact.digest = *digest;
    LWQ_ASSIGN_OR_RETURN(artifact.size_bytes, JsonInt(value, "size_bytes", output));
    if (artifact.size_bytes < 0) return absl::InvalidArgumentError(absl::StrCat(output, " has a negative size"));
    result.outputs.emplace(role, artifact);
  }
  result.metrics = *metrics;
  return result;
}

StatusOr<TaskResult> ReadTaskResult(ObjectStore& store, const Digest& action_key) {
  const std::string key = ResultKey(action_key);
  LWQ_ASSIGN_OR_RETURN(const Bytes text, store.Get(key));
  const std::string what = absl::StrCat("result '", key, "' in ", store.Describe());
  const StatusOr<Json> json = ParseJson(text.view(), what);
  if (!json.ok()) return absl::DataLossError(json.status().message());
  StatusOr<TaskResult> result = TaskResultFromJson(*json, what);
  if (!result.ok()) return absl::DataLossError(result.status().message());
  // One result, one text: so nothing in it can change, appear or go missing without being noticed.
  if (SerializeRecord(*result) != text.view()) {
    return absl::DataLossError(absl::StrCat(what, " is damaged: its content has another digest"));
  }
  return result;
}

StatusOr<TaskResult> PublishTaskResult(ObjectStore& store, const Digest& action_key, const TaskResult& result) {
  const std::string text = SerializeRecord(result);
  const Status put =
      store.Put(ResultKey(action_key), std::as_bytes(std::span(text.data(), text.size())), {.if_absent = true});
  if (put.ok()) return result;
  if (!absl::IsAlreadyExists(put)) return put;
  LWQ_ASSIGN_OR_RETURN(TaskResult first, ReadTaskResult(store, action_key));
  if (first.outputs != result.outputs) {
    return absl::DataLossError(absl::StrCat("action ", action_key.hex(),
                                            " was executed twice with different outputs: it is not deterministic"));
  }
  return first;
}

}  // namespace lwq
