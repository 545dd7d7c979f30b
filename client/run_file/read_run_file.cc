// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/read_run_file.h"

#include <filesystem>
#include <map>

#include "client/run_file/run_fields.h"
#include "client/run_file/suggestion.h"
#include "client/run_file/yaml_tree.h"
#include "common/bytes/bytes.h"

namespace lwq::client {
namespace {

Status InvalidAt(std::string_view what, const YamlNode& node, std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(PlaceOf(what, node), ": ", message));
}

std::vector<std::string> KeyNames() {
  std::vector<std::string> names;
  for (const RunField& field : RunFields()) names.push_back(field.name);
  return names;
}

// Reads one file; what it holds goes to `request`.
class RunFileReader {
 public:
  RunFileReader(std::string_view what, std::string directory, RunRequest* request)
      : what_(what), directory_(std::move(directory)), request_(request) {}

  Status Read(const YamlNode& root) {
    if (root.kind == YamlNode::Kind::kNull) {
      return absl::InvalidArgumentError(
          absl::StrCat(what_, ": is empty; a run file needs at least \"model: DIRECTORY\""));
    }
    if (root.kind != YamlNode::Kind::kMap) {
      return InvalidAt(what_, root, absl::StrCat("expected lines of \"key: value\", got ", DescribeNode(root)));
    }
    for (size_t i = 0; i + 1 < root.items.size(); i += 2)
      LWQ_RETURN_IF_ERROR(ReadEntry(root.items[i], root.items[i + 1]));
    return absl::OkStatus();
  }

 private:
  Status ReadEntry(const YamlNode& key, const YamlNode& value) {
    if (key.kind != YamlNode::Kind::kScalar)
      return InvalidAt(what_, key, absl::StrCat("expected a key, got ", DescribeNode(key)));
    const auto [first, is_new] = lines_.emplace(key.text, key.line);
    if (!is_new) {
      return InvalidAt(
          what_, key,
          absl::StrCat("key ", DescribeNode(key), " is given twice, first in line ", first->second, "; remove one"));
    }
    const RunField* field = FindRunField(key.text);
    if (field == nullptr) {
      return InvalidAt(
          what_, key,
          UnknownNameMessage(absl::StrCat("key ", DescribeNode(key)), LookUpUnknownName(key.text, KeyNames()), "",
                             "lwq submit --help lists the keys of a run"));
    }
    if (field->type == FieldType::kTexts) return ReadTexts(*field, value);
    if (field->type == FieldType::kClasses) return ReadClasses(*field, key, value);
    if (field->type == FieldType::kIntegers && value.kind == YamlNode::Kind::kList) return ReadIntegers(*field, value);
    return ReadScalar(*field, key, value);
  }

  Status ReadScalar(const RunField& field, const YamlNode& key, const YamlNode& value) {
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
    const std::string text = field.type == FieldType::kPath ? Resolve(value.text) : value.text;
    return Annotate(SetRunField(field, text, request_), PlaceOf(what_, value));
  }

  // A list of integers, each in its place.
  Status ReadIntegers(const RunField& field, const YamlNode& list) {
    if (list.items.empty()) {
      return InvalidAt(what_, list,
                       absl::StrCat(field.name, ": the list is empty; remove the key to take the default"));
    }
    std::string joined;
    for (const YamlNode& item : list.items) {
      if (item.kind != YamlNode::Kind::kScalar || item.quoted) {
        return InvalidAt(what_, item,
                         absl::StrCat(field.name, ": expected ", ExpectedOf(FieldType::kInteger), ", got ",
                                      item.quoted ? "the quoted text " : "", DescribeNode(item)));
      }
      LWQ_RETURN_IF_ERROR(Annotate(SetRunField(field, item.text, request_), PlaceOf(what_, item)));
      absl::StrAppend(&joined, joined.empty() ? "" : ",", item.text);
    }
    return Annotate(SetRunField(field, joined, request_), PlaceOf(what_, list));
  }

  // A map of kind: class.
  Status ReadClasses(const RunField& field, const YamlNode& key, const YamlNode& map) {
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
          Annotate(SetRunField(field, absl::StrCat(kind.text, "=", base.text), request_), PlaceOf(what_, kind)));
    }
    return absl::OkStatus();
  }

  // A path, a list of paths or of one-entry maps "name: path", or a map of such entries.
  Status ReadTexts(const RunField& field, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::kMap) return ReadNamedTexts(field, value);
    if (value.kind != YamlNode::Kind::kList) return ReadText(field, nullptr, value);
    if (value.items.empty()) {
      return InvalidAt(what_, value, "eval_texts: the list is empty; name a text or remove the key");
    }
    for (const YamlNode& item : value.items) {
      LWQ_RETURN_IF_ERROR(item.kind == YamlNode::Kind::kMap ? ReadNamedTexts(field, item)
                                                            : ReadText(field, nullptr, item));
    }
    return absl::OkStatus();
  }

  Status ReadNamedTexts(const RunField& field, const YamlNode& map) {
    for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
      LWQ_RETURN_IF_ERROR(ReadText(field, &map.items[i], map.items[i + 1]));
    }
    return absl::OkStatus();
  }

  Status ReadText(const RunField& field, const YamlNode* name, const YamlNode& path) {
    const YamlNode& bad = name != nullptr && name->kind != YamlNode::Kind::kScalar ? *name : path;
    if (bad.kind != YamlNode::Kind::kScalar || bad.text.empty()) {
      return InvalidAt(what_, bad,
                       absl::StrCat(field.name, ": expected ", ExpectedOf(field.type), ", got ", DescribeNode(bad)));
    }
    const std::string resolved = Resolve(path.text);
    request_->eval_texts.push_back({name != nullptr ? name->text : NameOfPath(resolved), resolved});
    return absl::OkStatus();
  }

  std::string Resolve(const std::string& path) const {
    const bool remote = path.find("://") != std::string::npos;
    if (directory_.empty() || remote || path.empty() || std::filesystem::path(path).is_absolute()) return path;
    return (std::filesystem::path(directory_) / path).lexically_normal().string();
  }

  const std::string what_;
  const std::string directory_;
  RunRequest* request_;
  std::map<std::string, int> lines_;  // of the keys seen
};

}  // namespace

StatusOr<RunRequest> ParseRunFile(std::string_view text, std::string_view what, const std::string& directory) {
  LWQ_ASSIGN_OR_RETURN(const YamlNode root, ParseYaml(text, what));
  RunRequest request;
  request.origin = what;
  LWQ_RETURN_IF_ERROR(RunFileReader(what, directory, &request).Read(root));
  if (request.spec.name().empty()) request.spec.set_name(NameOfPath(std::string(what)));
  return request;
}

StatusOr<RunRequest> ReadRunFile(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return absl::NotFoundError(absl::StrCat(path, ": no such run file"));
  if (std::filesystem::is_directory(status)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is a directory; give a run file (YAML), or a model with --model"));
  }
  if (!std::filesystem::is_regular_file(status)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file; give a run file (YAML)"));
  }
  if (std::filesystem::file_size(path, error) > kMaxRunFileBytes && !error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is larger than 1 MiB; a run file has one key per line"));
  }
  if (std::filesystem::file_size(path, error) == 0) return ParseRunFile("", path, "");
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Bytes::MapFile(path));
  return ParseRunFile(bytes.view(), path, std::filesystem::path(path).parent_path().string());
}

}  // namespace lwq::client
