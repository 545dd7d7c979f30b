// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/run_values.h"

#include <map>

#include "client/base/format.h"

namespace lwq::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::optional<Json> TextOrNothing(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<Json>(text);
}

Json JsonOfTexts(const std::vector<NamedText>& texts) {
  Json list = Json::array();
  for (const NamedText& text : texts) list.push_back({{"name", text.name}, {"path", text.path}});
  return list;
}

// The keys that are no scalar fields of the wire; nullopt for the outer where the field is none of them.
std::optional<std::optional<Json>> LocalValue(const RunField& field, const RunRequest& request) {
  const std::string& name = field.name;
  static const std::map<std::string, std::string RunRequest::*> kTexts = {
      {"model", &RunRequest::model_path},
      {"net", &RunRequest::model_name},
      {"calib_dataset", &RunRequest::calib_dataset},
      {"sensitivity_file", &RunRequest::sensitivity_file},
      {"save_quant_dir", &RunRequest::save_quant_dir},
  };
  if (const auto text = kTexts.find(name); text != kTexts.end()) return TextOrNothing(request.*text->second);
  std::optional<Json> value;
  if (name == "real_quant") {
    if (request.real_quant.has_value()) value = *request.real_quant;
  } else if (field.type == FieldType::kTexts) {
    if (!TextsOf(field, request).empty()) value = JsonOfTexts(TextsOf(field, request));
  } else if (name == "kind_classes") {
    if (!request.spec.kind_classes().empty()) value = Json::object();
    for (const auto& [kind, base] : request.spec.kind_classes()) (*value)[kind] = base;
  } else {
    return std::nullopt;
  }
  return value;
}

std::optional<Json> ScalarOf(const Message& message, const FieldDescriptor& descriptor) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (!reflection.HasField(message, &descriptor)) return std::nullopt;
  switch (descriptor.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &descriptor);
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, &descriptor);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.GetInt64(message, &descriptor);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, &descriptor);
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &descriptor);
    default:
      break;
  }
  LWQ_CHECK(false, "run files have no type for ", descriptor.full_name());
  return std::nullopt;
}

std::string TextOf(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

std::optional<Json> RunValue(const RunField& field, const RunRequest& request) {
  if (const auto local = LocalValue(field, request); local.has_value()) return *local;
  if (const auto* descriptor = lwqat::v1::Recipe::descriptor()->FindFieldByName(field.name)) {
    return ScalarOf(request.spec.recipe(), *descriptor);
  }
  return ScalarOf(request.spec, *lwqat::v1::RunSpec::descriptor()->FindFieldByName(field.name));
}

Status SetRunValue(const RunField& field, const Json& value, RunRequest* request) {
  ClearRunField(field, request);
  if (field.type == FieldType::kTexts && value.is_array()) {
    for (const Json& text : value) {
      LWQ_ASSIGN_OR_RETURN(std::string name, JsonString(text, "name", field.name));
      LWQ_ASSIGN_OR_RETURN(std::string path, JsonString(text, "path", field.name));
      TextsOf(field, request).push_back({std::move(name), std::move(path)});
    }
    return absl::OkStatus();
  }
  if (field.type == FieldType::kClasses && value.is_object()) {
    for (const auto& [kind, base] : value.items()) {
      LWQ_RETURN_IF_ERROR(SetRunField(field, absl::StrCat(kind, "=", TextOf(base)), request));
    }
    return absl::OkStatus();
  }
  return SetRunField(field, TextOf(value), request);
}

std::string LabelOfValue(const RunField& field, const Json& value) {
  std::string label;
  if (value.is_array()) {
    for (const Json& text : value) absl::StrAppend(&label, label.empty() ? "" : ",", text.value("name", ""));
  } else if (value.is_object()) {
    for (const auto& [kind, base] : value.items())
      absl::StrAppend(&label, label.empty() ? "" : ",", kind, ":", TextOf(base));
  } else if (field.type == FieldType::kPath) {
    label = NameOfPath(TextOf(value));
  } else {
    label = TextOf(value);
    if (value.is_number_float() && label.ends_with(".0")) label.resize(label.size() - 2);
  }
  return OneLine(label);
}

}  // namespace lwq::client
