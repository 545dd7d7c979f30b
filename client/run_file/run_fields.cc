// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/run_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/base/format.h"
#include "client/run_file/field_help.h"
#include "client/run_file/suggestion.h"
#include "common/recipe/recipe_table.h"
#include "common/task/task_kind.h"

namespace lwq::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kEvalTasksKey[] = "eval_tasks";

FieldType TypeOf(const FieldDescriptor& field) {
  // Texts on the wire that hold integers separated by commas.
  const RecipeFieldText* const of_recipe = FindRecipeField(field.name());
  if (of_recipe != nullptr && of_recipe->type == RecipeFieldType::kIntegers) return FieldType::kIntegers;
  if (of_recipe != nullptr && of_recipe->type == RecipeFieldType::kWords) return FieldType::kWords;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return FieldType::kBool;
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return FieldType::kInteger;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return FieldType::kNumber;
    case FieldDescriptor::CPPTYPE_STRING:
      return FieldType::kText;
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_ENUM:
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  LWQ_CHECK(false, "run files have no type for ", field.full_name());
  return FieldType::kText;
}

bool IsScalar(const FieldDescriptor& field) {
  return !field.is_repeated() && field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
}

RunField MakeField(const std::string& name, FieldType type) {
  const auto help = FieldHelps().find(name);
  if (help == FieldHelps().end()) return {name, type, "", {}};
  return {name, type, help->second.text, help->second.choices};
}

std::vector<RunField> BuildFields() {
  std::vector<RunField> fields;
  for (const char* name : {"model", "calib_dataset", "sensitivity_file", "save_quant_dir"})
    fields.push_back(MakeField(name, FieldType::kPath));
  fields.push_back(MakeField("eval_texts", FieldType::kTexts));
  fields.push_back(MakeField(kEvalTasksKey, FieldType::kTexts));
  fields.push_back(MakeField("net", FieldType::kText));
  fields.push_back(MakeField("real_quant", FieldType::kBool));
  fields.push_back(MakeField("kind_classes", FieldType::kClasses));
  for (const auto* descriptor : {lwqat::v1::Recipe::descriptor(), lwqat::v1::RunSpec::descriptor()}) {
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor& field = *descriptor->field(i);
      if (IsScalar(field)) fields.push_back(MakeField(field.name(), TypeOf(field)));
    }
  }
  return fields;
}

Status Mismatch(const RunField& field, std::string_view text) {
  constexpr size_t kShown = 60;
  const std::string shown = OneLine(text.substr(0, kShown));
  return absl::InvalidArgumentError(absl::StrCat(field.name, ": expected ", ExpectedOf(field.type), ", got \"", shown,
                                                 text.size() > kShown ? "…\"" : "\""));
}

StatusOr<bool> ParseBool(const RunField& field, std::string_view text) {
  for (const std::string_view yes : {"true", "True", "TRUE"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "False", "FALSE"}) {
    if (text == no) return false;
  }
  return Mismatch(field, text);
}

StatusOr<int64_t> ParseInteger(const RunField& field, std::string_view text, int bits) {
  std::string_view digits = text;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = end == digits.data() + digits.size() && !digits.empty();
  if (!whole || error == std::errc::invalid_argument) return Mismatch(field, text);
  const bool fits =
      bits == 64 || (value >= std::numeric_limits<int32_t>::min() && value <= std::numeric_limits<int32_t>::max());
  if (error == std::errc::result_out_of_range || !fits) {
    return absl::InvalidArgumentError(
        absl::StrCat(field.name, ": ", OneLine(text.substr(0, 60)), " does not fit ", bits, " bits"));
  }
  return value;
}

StatusOr<double> ParseNumber(const RunField& field, std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = end == digits.data() + digits.size() && !digits.empty();
  if (!whole || error == std::errc::invalid_argument) return Mismatch(field, text);
  if (error == std::errc::result_out_of_range) {
    return absl::InvalidArgumentError(
        absl::StrCat(field.name, ": ", OneLine(text.substr(0, 60)), " does not fit a 64-bit float"));
  }
  if (!std::isfinite(value)) return Mismatch(field, text);
  return value;
}

// "2, 3,4" → "2,3,4".
StatusOr<std::string> ParseIntegers(const RunField& field, std::string_view text) {
  std::vector<std::string> integers;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(std::string(text), ','))) {
    const auto digits = absl::StripAsciiWhitespace(part);
    const auto value = ParseInteger(field, std::string_view(digits.data(), digits.size()), 64);
    if (!value.ok()) return Mismatch(field, text);
    integers.push_back(absl::StrCat(*value));
  }
  return absl::StrJoin(integers, ",");
}

Status SetScalar(const RunField& field, const FieldDescriptor& descriptor, std::string_view text, Message* message) {
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  switch (field.type) {
    case FieldType::kBool: {
      LWQ_ASSIGN_OR_RETURN(const bool value, ParseBool(field, text));
      reflection.SetBool(message, &descriptor, value);
      return absl::OkStatus();
    }
    case FieldType::kInteger: {
      const bool is_int32 = descriptor.cpp_type() == FieldDescriptor::CPPTYPE_INT32;
      LWQ_ASSIGN_OR_RETURN(const int64_t value, ParseInteger(field, text, is_int32 ? 32 : 64));
      if (is_int32) {
        reflection.SetInt32(message, &descriptor, static_cast<int32_t>(value));
      } else {
        reflection.SetInt64(message, &descriptor, value);
      }
      return absl::OkStatus();
    }
    case FieldType::kNumber: {
      LWQ_ASSIGN_OR_RETURN(const double value, ParseNumber(field, text));
      reflection.SetDouble(message, &descriptor, value);
      return absl::OkStatus();
    }
    case FieldType::kText:
    case FieldType::kWords:
      reflection.SetString(message, &descriptor, std::string(text));
      return absl::OkStatus();
    case FieldType::kIntegers: {
      LWQ_ASSIGN_OR_RETURN(std::string integers, ParseIntegers(field, text));
      reflection.SetString(message, &descriptor, std::move(integers));
      return absl::OkStatus();
    }
    case FieldType::kPath:
    case FieldType::kTexts:
    case FieldType::kClasses:
      break;
  }
  LWQ_CHECK(false, field.name, " is not a field of the wire");
  return absl::OkStatus();
}

// "NAME=PATH" where NAME is a plain word and the whole is not an existing file; otherwise a path.
NamedText ParseNamedText(std::string_view text) {
  const size_t equals = text.find('=');
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
  };
  const bool named = equals != std::string_view::npos && equals > 0 && equals + 1 < text.size() &&
                     std::all_of(text.begin(), text.begin() + static_cast<int64_t>(equals), plain);
  std::error_code ignored;
  if (!named || std::filesystem::exists(std::string(text), ignored))
    return {NameOfPath(std::string(text)), std::string(text)};
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

std::vector<std::string> KindNames() {
  std::vector<std::string> names;
  for (const TaskKindTraits& traits : AllTaskKinds()) names.emplace_back(traits.name);
  return names;
}

// Which kinds can be pinned is the coordinator's to say; what is no kind at all is a slip of the pen.
Status SetKindClass(const RunField& field, std::string_view text, RunRequest* request) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) return Mismatch(field, text);
  const std::string kind(text.substr(0, equals));
  if (!ParseTaskKind(kind).ok()) {
    const std::vector<std::string> known = KindNames();
    const std::string nearest = NearestName(kind, known);
    return absl::InvalidArgumentError(
        absl::StrCat(field.name, ": unknown task kind \"", OneLine(kind.substr(0, 60)), "\"; ",
                     nearest.empty() ? absl::StrCat("kinds are ", absl::StrJoin(known, ", "))
                                     : absl::StrCat("did you mean ", nearest, "?")));
  }
  const bool is_new = request->spec.mutable_kind_classes()->insert({kind, std::string(text.substr(equals + 1))}).second;
  if (is_new) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field.name, ": ", kind, " is given twice; remove one"));
}

// Keys that are not fields of the wire, or not of one value. False when `field` is not one of them.
StatusOr<bool> SetLocalField(const RunField& field, std::string_view text, RunRequest* request) {
  if (field.name == "model") {
    request->model_path = text;
  } else if (field.name == "calib_dataset") {
    request->calib_dataset = text;
  } else if (field.name == "sensitivity_file") {
    request->sensitivity_file = text;
  } else if (field.name == "save_quant_dir") {
    request->save_quant_dir = text;
  } else if (field.name == "net") {
    request->model_name = text;
  } else if (field.type == FieldType::kTexts) {
    TextsOf(field, request).push_back(ParseNamedText(text));
  } else if (field.name == "real_quant") {
    LWQ_ASSIGN_OR_RETURN(request->real_quant, ParseBool(field, text));
  } else if (field.name == "kind_classes") {
    LWQ_RETURN_IF_ERROR(SetKindClass(field, text, request));
  } else {
    return false;
  }
  return true;
}

}  // namespace

const std::vector<RunField>& RunFields() {
  static const auto* const kFields = new std::vector<RunField>(BuildFields());
  return *kFields;
}

const RunField* FindRunField(std::string_view name) {
  const auto& fields = RunFields();
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const RunField& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

std::string_view ExpectedOf(FieldType type) {
  switch (type) {
    case FieldType::kBool:
      return "true or false";
    case FieldType::kInteger:
      return "an integer";
    case FieldType::kNumber:
      return "a number";
    case FieldType::kText:
      return "a text";
    case FieldType::kPath:
      return "a path";
    case FieldType::kTexts:
      return "a path or a list of paths";
    case FieldType::kIntegers:
      return "an integer or a list of integers";
    case FieldType::kWords:
      return "a word or a list of words";
    case FieldType::kClasses:
      return "a class for a task kind (\"kind: class\", as a flag KIND=CLASS)";
  }
  return "";
}

Status SetRunField(const RunField& field, std::string_view text, RunRequest* request) {
  if (text.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field.name, ": expected ", ExpectedOf(field.type), ", got an empty text"));
  }
  if (text.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(field.name, ": holds a zero byte; remove it"));
  }
  // Paths stay on this machine; names made from them are looked at when the request is complete.
  const bool is_path = field.type == FieldType::kPath || field.type == FieldType::kTexts;
  if (!is_path && !IsUtf8(text)) {
    return absl::InvalidArgumentError(absl::StrCat(field.name, ": is not UTF-8; write it in UTF-8"));
  }
  LWQ_ASSIGN_OR_RETURN(const bool is_local, SetLocalField(field, text, request));
  if (is_local) return absl::OkStatus();
  if (const auto* descriptor = lwqat::v1::Recipe::descriptor()->FindFieldByName(field.name)) {
    return SetScalar(field, *descriptor, text, request->spec.mutable_recipe());
  }
  return SetScalar(field, *lwqat::v1::RunSpec::descriptor()->FindFieldByName(field.name), text, &request->spec);
}

std::vector<NamedText>& TextsOf(const RunField& field, RunRequest* request) {
  LWQ_CHECK(field.type == FieldType::kTexts, field.name, " has no texts");
  return field.name == kEvalTasksKey ? request->eval_tasks : request->eval_texts;
}

const std::vector<NamedText>& TextsOf(const RunField& field, const RunRequest& request) {
  LWQ_CHECK(field.type == FieldType::kTexts, field.name, " has no texts");
  return field.name == kEvalTasksKey ? request.eval_tasks : request.eval_texts;
}

void ClearRunField(const RunField& field, RunRequest* request) {
  if (field.type == FieldType::kTexts) TextsOf(field, request).clear();
  if (field.type == FieldType::kClasses) request->spec.clear_kind_classes();
}

}  // namespace lwq::client
