// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/model_tokenizer.h"

#include <array>
#include <filesystem>

#include "common/bytes/bytes.h"
#include "common/tokenizer/load_tokenizer.h"

namespace lwq::client {

StatusOr<std::unique_ptr<Tokenizer>> OpenModelTokenizer(const std::string& directory,
                                                        const std::map<std::string, std::string>& files) {
  const std::string context = absl::StrCat("model: ", directory);
  std::array<Bytes, kTokenizerFileNames.size()> contents;
  TokenizerFiles views;
  for (size_t i = 0; i < contents.size(); ++i) {
    const auto file = files.find(kTokenizerFileNames[i].name);
    if (file == files.end()) continue;
    LWQ_ASSIGN_OR_RETURN(contents[i], Bytes::MapFile(file->second));
    views.*kTokenizerFileNames[i].contents = contents[i].view();
  }
  auto tokenizer = LoadTokenizer(views);
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), context);
  return tokenizer;
}

StatusOr<std::unique_ptr<Tokenizer>> OpenModelTokenizer(const std::string& directory) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored)) {
    return absl::NotFoundError(absl::StrCat("model: no such directory: ", directory));
  }
  std::map<std::string, std::string> files;
  for (const TokenizerFileName& file : kTokenizerFileNames) {
    const std::filesystem::path path = std::filesystem::path(directory) / file.name;
    if (std::filesystem::is_regular_file(path, ignored)) files[file.name] = path.string();
  }
  return OpenModelTokenizer(directory, files);
}

}  // namespace lwq::client
