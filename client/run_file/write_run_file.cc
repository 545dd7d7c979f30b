// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/write_run_file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "absl/strings/str_join.h"
#include "client/base/format.h"
#include "client/run_file/run_values.h"
#include "client/source/data_sets.h"

namespace lwq::client {
namespace {

constexpr char kNameKey[] = "name";

// A text that YAML takes for nothing but a text.
bool IsPlain(const std::string& text) {
  static const char* const kWords[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool is_word =
      std::any_of(std::begin(kWords), std::end(kWords), [&](const char* word) { return lower == word; });
  const auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '/' || c == '-' || c == '.';
  };
  const auto starts = [](unsigned char c) { return std::isalpha(c) != 0 || c == '_' || c == '/'; };
  return !text.empty() && !is_word && starts(static_cast<unsigned char>(text.front())) &&
         std::all_of(text.begin(), text.end(), fits);
}

std::string Absolute(const std::string& path) {
  return path.find("://") != std::string::npos ? path : std::filesystem::absolute(path).lexically_normal().string();
}

std::string AbsoluteText(const std::string& path) {
  return IsDataSetName(path) ? path : Absolute(path);
}

std::string TextsOfYaml(const Json& texts) {
  std::vector<std::string> parts;
  for (const Json& text : texts) {
    parts.push_back(absl::StrCat("{", YamlTextOf(text.at("name")), ": ", YamlTextOf(text.at("path")), "}"));
  }
  return absl::StrCat("[", absl::StrJoin(parts, ", "), "]");
}

std::string ClassesOfYaml(const Json& classes) {
  std::vector<std::string> parts;
  for (const auto& [kind, base] : classes.items()) {
    parts.push_back(absl::StrCat(YamlTextOf(kind), ": ", YamlTextOf(base.get<std::string>())));
  }
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

RunRequest WithAbsolutePaths(RunRequest request) {
  for (std::string* const path : {&request.model_path, &request.save_quant_dir, &request.sensitivity_file}) {
    if (!path->empty()) *path = Absolute(*path);
  }
  if (!request.calib_dataset.empty()) request.calib_dataset = AbsoluteText(request.calib_dataset);
  for (NamedText& text : request.eval_texts) text.path = AbsoluteText(text.path);
  for (NamedText& task : request.eval_tasks) task.path = Absolute(task.path);
  return request;
}

}  // namespace

std::string YamlTextOf(const std::string& text) {
  return IsPlain(text) ? text : Json(text).dump();  // a text of JSON is one of YAML
}

std::string RunFileLine(const RunField& field, const Json& value) {
  std::string text;
  if (field.type == FieldType::kTexts) {
    text = TextsOfYaml(value);
  } else if (field.type == FieldType::kClasses) {
    text = ClassesOfYaml(value);
  } else if (field.type == FieldType::kIntegers || field.type == FieldType::kWords) {
    text = absl::StrCat("[", value.get<std::string>(), "]");
  } else {
    text = value.is_string() ? YamlTextOf(value.get<std::string>()) : value.dump();
  }
  return absl::StrCat(field.name, ": ", text, "\n");
}

std::string RunFileText(const RunRequest& request, const std::vector<std::string>& comments) {
  std::string text;
  for (const std::string& comment : comments) absl::StrAppend(&text, "# ", OneLine(comment), "\n");
  const RunRequest absolute = WithAbsolutePaths(request);
  for (const bool names : {true, false}) {
    for (const RunField& field : RunFields()) {
      if ((field.name == kNameKey) != names) continue;
      if (const auto value = RunValue(field, absolute); value.has_value())
        absl::StrAppend(&text, RunFileLine(field, *value));
    }
  }
  return text;
}

}  // namespace lwq::client
