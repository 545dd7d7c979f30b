// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/model_tokenizer.h"

#include <array>
#include <filesystem>

#include "common/bytes/bytes.h"
#include "common/tokenizer/llama_cpp_vocabulary.h"
#include "common/tokenizer/load_tokenizer.h"

namespace lwq::client {

namespace {

// Files of a tokenizer, mapped; the views of `views` live as long as it.
struct MappedTokenizer {
  std::array<Bytes, kTokenizerFileNames.size()> contents;
  TokenizerFiles views;
};

StatusOr<MappedTokenizer> MapTokenizer(const std::map<std::string, std::string>& files) {
  MappedTokenizer mapped;
  for (size_t i = 0; i < kTokenizerFileNames.size(); ++i) {
    const auto file = files.find(kTokenizerFileNames[i].name);
    if (file == files.end()) continue;
    LWQ_ASSIGN_OR_RETURN(mapped.contents[i], Bytes::MapFile(file->second));
    mapped.views.*kTokenizerFileNames[i].contents = mapped.contents[i].view();
  }
  return mapped;
}

std::string ModelIn(const std::string& directory) {
  return absl::StrCat("model: ", directory);
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> OpenModelTokenizer(const std::string& directory,
                                                        const std::map<std::string, std::string>& files) {
  LWQ_ASSIGN_OR_RETURN(const MappedTokenizer mapped, MapTokenizer(files));
  auto tokenizer = LoadTokenizer(mapped.views);
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), ModelIn(directory));
  return tokenizer;
}

Status CheckForLlamaCpp(const std::string& directory, const std::map<std::string, std::string>& files,
                        const LlamaConfig& config) {
  LWQ_ASSIGN_OR_RETURN(const MappedTokenizer mapped, MapTokenizer(files));
  const auto vocabulary = LlamaCppVocabularyOf(
      mapped.views,
      {.rows = config.vocab_size, .bos_token_id = config.bos_token_id, .eos_token_id = config.eos_token_id});
  return Annotate(vocabulary.status(), ModelIn(directory));
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
