// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/yaml_file.h"

#include <filesystem>

#include "common/bytes/bytes.h"

namespace lwq::client {

StatusOr<std::string> ReadYamlText(const std::string& path, const YamlLimits& limits) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return absl::NotFoundError(absl::StrCat(path, ": no such ", limits.kind));
  if (std::filesystem::is_directory(status)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is a directory; give a ", limits.kind, " (YAML), or a model with --model"));
  }
  if (!std::filesystem::is_regular_file(status)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file; give a ", limits.kind, " (YAML)"));
  }
  const auto size_bytes = std::filesystem::file_size(path, error);
  if (!error && size_bytes > kMaxYamlBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is larger than 1 MiB; ", limits.advice));
  }
  if (size_bytes == 0) return std::string();
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Bytes::MapFile(path));
  return std::string(bytes.view());
}

}  // namespace lwq::client
