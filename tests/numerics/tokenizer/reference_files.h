// SPDX-License-Identifier: Apache-2.0
// Where the text tests find their files: golden ones in the repository, larger ones in the reference folder.
#pragma once

#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace lwq {

inline std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

inline std::optional<std::string> ReadGolden(const std::string& name) {
  return ReadFile(std::string(LWQ_SOURCE_DIR) + "/tests/numerics/golden/text/" + name);
}

inline std::string ReferencePath(const std::string& name) {
  const char* folder = std::getenv("LWQ_REFERENCE");
  return (folder != nullptr ? std::string(folder) : std::string(LWQ_SOURCE_DIR) + "/../shared/reference") + "/" + name;
}

}  // namespace lwq

// Defines `variable` with a reference file's contents, or skips the test.
#define LWQ_READ_REFERENCE_OR_SKIP(variable, name)                                                              \
  const std::optional<std::string> variable##_file = ::lwq::ReadFile(::lwq::ReferencePath(name));               \
  if (!variable##_file.has_value()) {                                                                           \
    GTEST_SKIP() << "needs the reference file " << (name) << "; set LWQ_REFERENCE to the folder that holds it"; \
  }                                                                                                             \
  const std::string& variable = *variable##_file
