// SPDX-License-Identifier: Apache-2.0
#include "common/task/task_text.h"

#include <algorithm>
#include <string_view>

namespace lwq {
namespace {

constexpr size_t kUsualBytes = 1024;

void AppendQuoted(std::string_view text, std::string* out) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  if (plain) {
    absl::StrAppend(out, "\"", text, "\"");
  } else {
    absl::StrAppend(out, CanonicalJson(Json(text)));
  }
}

void AppendDigest(const Digest& digest, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out->push_back('"');
  for (const uint8_t byte : digest.bytes()) {
    out->push_back(kDigits[byte >> 4]);
    out->push_back(kDigits[byte & 15]);
  }
  out->push_back('"');
}

// {"role":…,…} in the order of the roles; `append` writes the value of one.
template <typename Append>
void AppendRoles(const TaskDef& def, std::string* out, Append append) {
  out->push_back('{');
  bool first = true;
  for (const auto& [role, input] : def.inputs) {
    if (!first) out->push_back(',');
    first = false;
    AppendQuoted(role, out);
    out->push_back(':');
    append(role, input);
  }
  out->push_back('}');
}

void AppendMade(const TaskOutputRef& made, const char* key_name, std::string* out) {
  absl::StrAppend(out, "{\"", key_name, "\":");
  AppendDigest(made.derivation_key, out);
  out->append(",\"output\":");
  AppendQuoted(made.output, out);
  out->push_back('}');
}

void AppendKind(const TaskDef& def, std::string* out) {
  absl::StrAppend(out, "\"kind\":\"", TaskKindName(def.kind), "\"");
}

// From the numerics class on, the end of all three texts but for the version.
void AppendClassAndParams(const TaskDef& def, std::string* out) {
  out->append("\"numerics_class\":");
  AppendQuoted(def.numerics_class, out);
  absl::StrAppend(out, ",\"params\":", CanonicalJson(def.params));
}

}  // namespace

std::string DerivationText(const TaskDef& def) {
  std::string text;
  text.reserve(kUsualBytes);
  text.append("{\"inputs\":");
  AppendRoles(def, &text, [&text](const std::string&, const TaskInput& input) {
    if (const auto* leaf = std::get_if<ArtifactRef>(&input)) {
      text.append("{\"content\":");
      AppendDigest(leaf->digest, &text);
      text.push_back('}');
    } else {
      AppendMade(std::get<TaskOutputRef>(input), "derivation", &text);
    }
  });
  text.push_back(',');
  AppendKind(def, &text);
  text.push_back(',');
  AppendClassAndParams(def, &text);
  absl::StrAppend(&text, ",\"version\":", TraitsOf(def.kind).version, "}");
  return text;
}

std::string ActionText(const TaskDef& def, const std::map<std::string, ArtifactRef>& inputs, int lr_halvings) {
  std::string text;
  text.reserve(kUsualBytes);
  text.append("{\"contents\":");
  AppendRoles(def, &text, [&](const std::string& role, const TaskInput&) {
    const auto content = inputs.find(role);
    LWQ_CHECK(content != inputs.end(), "input '", role, "' of ", TaskKindName(def.kind), " has no content yet");
    AppendDigest(content->second.digest, &text);
  });
  text.push_back(',');
  AppendKind(def, &text);
  if (lr_halvings > 0) absl::StrAppend(&text, ",\"lr_halvings\":", lr_halvings);
  text.push_back(',');
  AppendClassAndParams(def, &text);
  absl::StrAppend(&text, ",\"version\":", TraitsOf(def.kind).version, "}");
  return text;
}

std::string StoredText(const TaskDef& def) {
  std::string text;
  text.reserve(kUsualBytes);
  text.append("{\"inputs\":");
  AppendRoles(def, &text, [&text](const std::string&, const TaskInput& input) {
    if (const auto* leaf = std::get_if<ArtifactRef>(&input)) {
      text.append("{\"digest\":");
      AppendDigest(leaf->digest, &text);
      absl::StrAppend(&text, ",\"size_bytes\":", leaf->size_bytes, "}");
    } else {
      AppendMade(std::get<TaskOutputRef>(input), "derivation_key", &text);
    }
  });
  text.push_back(',');
  AppendKind(def, &text);
  text.push_back(',');
  AppendClassAndParams(def, &text);
  text.push_back('}');
  return text;
}

}  // namespace lwq
