// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/read_run_file.h"

#include <filesystem>

#include "client/run_file/run_entry.h"
#include "client/run_file/sweep_file.h"
#include "client/run_file/yaml_file.h"
#include "client/run_file/yaml_tree.h"

namespace lwq::client {
namespace {

Status ReadEntries(const YamlNode& root, std::string_view what, const std::string& directory, RunRequest* request) {
  if (root.kind == YamlNode::Kind::kNull) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": is empty; a run file needs at least \"model: DIRECTORY\""));
  }
  LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what, root));
  for (const YamlEntry& entry : entries) {
    if (!IsSweepKey(entry.key->text)) continue;
    return InvalidAt(
        what, *entry.key,
        absl::StrCat("key \"", entry.key->text, "\" makes this a sweep; lwq sweep, lwq plan and lwq local take it"));
  }
  for (const YamlEntry& entry : entries) {
    if (entry.key->text != "base" && entry.key->text != "search" && entry.key->text != "budget") continue;
    return InvalidAt(what, *entry.key, absl::StrCat("key \"", entry.key->text, "\" is of a search; lwq tune takes it"));
  }
  const RunEntryReader reader(what, directory);
  for (const YamlEntry& entry : entries) {
    LWQ_ASSIGN_OR_RETURN(const RunField* field, FieldOfKey(what, *entry.key));
    LWQ_RETURN_IF_ERROR(reader.Read(*field, *entry.key, *entry.value, request));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<RunRequest> ParseRunFile(std::string_view text, std::string_view what, const std::string& directory) {
  LWQ_ASSIGN_OR_RETURN(const YamlNode root, ParseYaml(text, what));
  RunRequest request;
  request.origin = what;
  LWQ_RETURN_IF_ERROR(ReadEntries(root, what, directory, &request));
  if (request.spec.name().empty()) request.spec.set_name(NameOfPath(std::string(what)));
  return request;
}

StatusOr<RunRequest> ReadRunFile(const std::string& path) {
  LWQ_ASSIGN_OR_RETURN(const std::string text, ReadYamlText(path, kRunFileLimits));
  return ParseRunFile(text, path, std::filesystem::path(path).parent_path().string());
}

}  // namespace lwq::client
