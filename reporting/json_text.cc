// SPDX-License-Identifier: Apache-2.0
#include "reporting/json_text.h"

#include <set>
#include <string>
#include <utility>

#include "common/task/measured.h"
#include "google/protobuf/util/json_util.h"

namespace lwq::reporting {

std::string JsonLine(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  LWQ_CHECK(status.ok(), status.ToString());  // every field of ours has a JSON form
  return text;
}

Json ToJson(const google::protobuf::Message& message) {
  return Json::parse(JsonLine(message), nullptr, false);
}

Json ToJson(const lwqat::v1::Run& run) {
  const google::protobuf::Message& message = run;
  Json json = ToJson(message);
  std::set<std::string> tasks;  // whose perplexities are another measure
  for (const auto& task : run.spec().eval_tasks()) tasks.insert(task.name());
  Json perplexities = Json::array();
  for (const Json& measured : json["measured"]) {
    if (measured["metric"] != kPerplexityMetric) continue;
    if (tasks.contains(measured["dataset"].get<std::string>())) continue;
    Json& entry = perplexities.emplace_back(Json{{"model", measured["subject"]},
                                                 {"text", measured["dataset"]},
                                                 {"perplexity", measured["value"]},
                                                 {"tokens", measured["count"]}});
    if (measured.contains("add_bos")) entry["add_bos"] = measured["add_bos"];
  }
  json["perplexities"] = std::move(perplexities);
  return json;
}

// proto3 JSON writes 64-bit integers as texts.
Json RecipeToJson(const lwqat::v1::Recipe& recipe) {
  Json json = ToJson(recipe);
  for (auto& [name, value] : json.items()) {
    const auto* field = lwqat::v1::Recipe::descriptor()->FindFieldByName(name);
    if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_INT64) {
      value = std::stoll(value.get<std::string>());
    }
  }
  return json;
}

std::string OneLineJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string PrettyJson(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lwq::reporting
