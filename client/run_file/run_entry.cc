// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/run_entry.h"

#include <filesystem>

#include "absl/strings/numbers.h"
#include "client/run_file/suggestion.h"
#include "client/source/data_sets.h"

namespace lwq::client {
namespace {

constexpr std::string_view kCalibrationKey = "calib_dataset";

std::vector<std::string> KeyNames() {
  std::vector<std::string> names;
  for (const RunField& field : RunFields()) names.push_back(field.name);
  return names;
}

}  // namespace

Status InvalidAt(std::string_view what, const YamlNode& node, std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(PlaceOf(what, node), ": ", message));
}

Status ExpectedAt(std::string_view what, const YamlEntry& entry, std::string_view expected) {
  const bool is_null = entry.value->kind == YamlNode::Kind::kNull;
  return InvalidAt(what, is_null ? *entry.key : *entry.value,
                   absl::StrCat(entry.key->text, ": expected ", expected, ", got ", DescribeNode(*entry.value)));
}

StatusOr<int64_t> ReadWhole(std::string_view what, const YamlEntry& entry, int64_t low, int64_t high) {
  const YamlNode& node = *entry.value;
  int64_t value = 0;
  if (node.kind != YamlNode::Kind::kScalar || node.quoted || !absl::SimpleAtoi(node.text, &value)) {
    return InvalidAt(what, node.kind == YamlNode::Kind::kNull ? *entry.key : node,
                     absl::StrCat(entry.key->text, ": expected a whole number, got ",
                                  node.quoted ? "the quoted text " : "", DescribeNode(node)));
  }
  if (value >= low && value <= high) return value;
  return InvalidAt(what, node, absl::StrCat(entry.key->text, ": ", value, " is not within ", low, " to ", high));
}

Status CheckIsKey(std::string_view what, const YamlNode& key) {
  if (key.kind == YamlNode::Kind::kScalar) return absl::OkStatus();
  return InvalidAt(what, key, absl::StrCat("expected a key, got ", DescribeNode(key)));
}

StatusOr<const RunField*> FieldOfKey(std::string_view what, const YamlNode& key) {
  LWQ_RETURN_IF_ERROR(CheckIsKey(what, key));
  const RunField* field = FindRunField(key.text);
  if (field != nullptr) return field;
  return InvalidAt(what, key,
                   UnknownNameMessage(absl::StrCat("key ", DescribeNode(key)), LookUpUnknownName(key.text, KeyNames()),
                                      "", "lwq submit --help lists the keys of a run"));
}

std::string ResolvePath(const std::string& directory, const std::string& path) {
  const bool remote = path.find("://") != std::string::npos;
  if (directory.empty() || remote || path.empty() || std::filesystem::path(path).is_absolute()) return path;
  return (std::filesystem::path(directory) / path).lexically_normal().string();
}

std::string ResolveTextPath(const std::string& directory, const std::string& path) {
  return IsDataSetName(path) ? path : ResolvePath(directory, path);
}

Status RunEntryReader::Read(const RunField& field, const YamlNode& key, const YamlNode& value,
                            RunRequest* request) const {
  if (field.type == FieldType::kTexts) return ReadTexts(field, value, request);
  if (field.type == FieldType::kClasses) return ReadClasses(field, key, value, request);
  const bool is_list = field.type == FieldType::kIntegers || field.type == FieldType::kWords;
  if (is_list && value.kind == YamlNode::Kind::kList) return ReadList(field, value, request);
  return ReadScalar(field, key, value, request);
}

Status RunEntryReader::ReadScalar(const RunField& field, const YamlNode& key, const YamlNode& value,
                                  RunRequest* request) const {
  const bool text_given_as_number =
      value.quoted &&
      (field.type == FieldType::kBool || field.type == FieldType::kInteger || field.type == FieldType::kNumber);
  if (value.kind == YamlNode::Kind::kNull) {  // whose own place may be on the next line
    return InvalidAt(what_, key,
                     absl::StrCat(field.name, ": expected ", ExpectedOf(field.type),
                                  ", got nothing; remove the key to take the default"));
  }
  if (value.kind != YamlNode::Kind::kScalar || text_given_as_number) {
    return InvalidAt(what_, value,
                     absl::StrCat(field.name, ": expected ", ExpectedOf(field.type), ", got ",
                                  value.quoted ? "the quoted text " : "", DescribeNode(value)));
  }
  std::string text = value.text;
  if (field.type == FieldType::kPath) {
    const bool is_text = field.name == kCalibrationKey;
    text = is_text ? ResolveTextPath(directory_, text) : ResolvePath(directory_, text);
  }
  return Annotate(SetRunField(field, text, request), PlaceOf(what_, value));
}

// A list of integers or words, each in its place.
Status RunEntryReader::ReadList(const RunField& field, const YamlNode& list, RunRequest* request) const {
  if (list.items.empty()) {
    return InvalidAt(what_, list, absl::StrCat(field.name, ": the list is empty; remove the key to take the default"));
  }
  const bool of_integers = field.type == FieldType::kIntegers;
  std::string joined;
  for (const YamlNode& item : list.items) {
    if (item.kind != YamlNode::Kind::kScalar || (of_integers && item.quoted)) {
      return InvalidAt(what_, item,
                       absl::StrCat(field.name, ": expected ", of_integers ? ExpectedOf(FieldType::kInteger) : "a word",
                                    ", got ", item.quoted ? "the quoted text " : "", DescribeNode(item)));
    }
    LWQ_RETURN_IF_ERROR(Annotate(SetRunField(field, item.text, request), PlaceOf(what_, item)));
    absl::StrAppend(&joined, joined.empty() ? "" : ",", item.text);
  }
  return Annotate(SetRunField(field, joined, request), PlaceOf(what_, list));
}

// A map of kind: class.
Status RunEntryReader::ReadClasses(const RunField& field, const YamlNode& key, const YamlNode& map,
                                   RunRequest* request) const {
  if (map.kind != YamlNode::Kind::kMap) {
    return InvalidAt(what_, map.kind == YamlNode::Kind::kNull ? key : map,
                     absl::StrCat(field.name, ": expected a mapping of \"kind: class\", got ", DescribeNode(map)));
  }
  for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
    const YamlNode& kind = map.items[i];
    const YamlNode& base = map.items[i + 1];
    const bool is_text = base.kind == YamlNode::Kind::kScalar && !base.text.empty();
    if (kind.kind != YamlNode::Kind::kScalar || !is_text) {
      return InvalidAt(what_, kind,
                       absl::StrCat(field.name, ": expected \"kind: class\", got ", DescribeNode(kind), " with ",
                                    DescribeNode(base)));
    }
    LWQ_RETURN_IF_ERROR(
        Annotate(SetRunField(field, absl::StrCat(kind.text, "=", base.text), request), PlaceOf(what_, kind)));
  }
  return absl::OkStatus();
}

// A path, a list of paths or of one-entry maps "name: path", or a map of such entries.
Status RunEntryReader::ReadTexts(const RunField& field, const YamlNode& value, RunRequest* request) const {
  if (value.kind == YamlNode::Kind::kMap) return ReadNamedTexts(field, value, request);
  if (value.kind != YamlNode::Kind::kList) return ReadText(field, nullptr, value, request);
  if (value.items.empty()) {
    return InvalidAt(what_, value, absl::StrCat(field.name, ": the list is empty; name a text or remove the key"));
  }
  for (const YamlNode& item : value.items) {
    LWQ_RETURN_IF_ERROR(item.kind == YamlNode::Kind::kMap ? ReadNamedTexts(field, item, request)
                                                          : ReadText(field, nullptr, item, request));
  }
  return absl::OkStatus();
}

Status RunEntryReader::ReadNamedTexts(const RunField& field, const YamlNode& map, RunRequest* request) const {
  for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
    LWQ_RETURN_IF_ERROR(ReadText(field, &map.items[i], map.items[i + 1], request));
  }
  return absl::OkStatus();
}

Status RunEntryReader::ReadText(const RunField& field, const YamlNode* name, const YamlNode& path,
                                RunRequest* request) const {
  const YamlNode& bad = name != nullptr && name->kind != YamlNode::Kind::kScalar ? *name : path;
  if (bad.kind != YamlNode::Kind::kScalar || bad.text.empty()) {
    return InvalidAt(what_, bad,
                     absl::StrCat(field.name, ": expected ", ExpectedOf(field.type), ", got ", DescribeNode(bad)));
  }
  const std::string resolved = ResolveTextPath(directory_, path.text);
  TextsOf(field, request).push_back({name != nullptr ? name->text : NameOfPath(resolved), resolved});
  return absl::OkStatus();
}

}  // namespace lwq::client
