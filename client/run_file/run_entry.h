// SPDX-License-Identifier: Apache-2.0
// One entry "key: value" of a file whose keys are those of run_fields.h.
//
// Pure. Errors: INVALID_ARGUMENT, one line "file:line:column: what; what to do".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "client/run_file/run_fields.h"
#include "client/run_file/run_request.h"
#include "client/run_file/yaml_tree.h"
#include "common/status/status.h"

namespace lwq::client {

Status InvalidAt(std::string_view what, const YamlNode& node, std::string_view message);

// "KEY: expected …, got …", at the value, or at the key where the value is nothing.
Status ExpectedAt(std::string_view what, const YamlEntry& entry, std::string_view expected);

// "key: N" with a whole number from `low` to `high`.
StatusOr<int64_t> ReadWhole(std::string_view what, const YamlEntry& entry, int64_t low, int64_t high);

// Refuses a key that is not a scalar.
Status CheckIsKey(std::string_view what, const YamlNode& key);

// The field of that name. An unknown key is refused with the name that was meant.
StatusOr<const RunField*> FieldOfKey(std::string_view what, const YamlNode& key);

// `path` as it stands in a file of `directory`: joined to it unless it is absolute, remote, or `directory` is "".
std::string ResolvePath(const std::string& directory, const std::string& path);
// The same of a text; one that is named by its data set stays as it is.
std::string ResolveTextPath(const std::string& directory, const std::string& path);

class RunEntryReader {
 public:
  // `what` names the file in messages; relative paths are joined to `directory` ("" leaves them).
  RunEntryReader(std::string_view what, std::string directory) : what_(what), directory_(std::move(directory)) {}

  // Adds what the entry says to `request`. Lists, maps and scalars are taken as the field's type allows.
  Status Read(const RunField& field, const YamlNode& key, const YamlNode& value, RunRequest* request) const;

 private:
  Status ReadScalar(const RunField& field, const YamlNode& key, const YamlNode& value, RunRequest* request) const;
  Status ReadList(const RunField& field, const YamlNode& list, RunRequest* request) const;
  Status ReadClasses(const RunField& field, const YamlNode& key, const YamlNode& map, RunRequest* request) const;
  Status ReadTexts(const RunField& field, const YamlNode& value, RunRequest* request) const;
  Status ReadNamedTexts(const RunField& field, const YamlNode& map, RunRequest* request) const;
  Status ReadText(const RunField& field, const YamlNode* name, const YamlNode& path, RunRequest* request) const;

  const std::string what_;
  const std::string directory_;
};

}  // namespace lwq::client
