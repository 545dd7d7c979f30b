#include "common/tokenizer/load_tokenizer.h"

#include <string>
#include <utility>

#include "common/json/json.h"
#include "common/tokenizer/json_tokenizer.h"
#include "common/tokenizer/sentencepiece_model.h"
#include "common/tokenizer/sentencepiece_tokenizer.h"

namespace lwq {
namespace {

constexpr std::string_view kModelName = "tokenizer.model";
constexpr std::string_view kJsonName = "tokenizer.json";
constexpr std::string_view kConfigName = "tokenizer_config.json";

struct TokenizerConfig {
  std::optional<bool> add_bos;
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  bool llama_class = false;
};

// A special token is written as a string, as {"content": string, …}, or null.
StatusOr<std::optional<std::string>> SpecialToken(const Json& config, std::string_view key) {
  const auto it = config.find(key);
  if (it == config.end() || it->is_null()) return std::optional<std::string>();
  if (it->is_string()) return std::optional<std::string>(it->get<std::string>());
  LWQ_ASSIGN_OR_RETURN(std::string content, JsonString(*it, "content", absl::StrCat(kConfigName, ": '", key, "'")));
  return std::optional<std::string>(std::move(content));
}

StatusOr<TokenizerConfig> ParseConfig(std::optional<std::string_view> file) {
  TokenizerConfig config;
  if (!file.has_value()) return config;
  LWQ_ASSIGN_OR_RETURN(const Json json, ParseJson(*file, kConfigName));
  if (!json.is_object()) return absl::InvalidArgumentError(absl::StrCat(kConfigName, " is not a JSON object"));
  if (const auto it = json.find("add_bos_token"); it != json.end() && !it->is_null()) {
    LWQ_ASSIGN_OR_RETURN(config.add_bos, JsonBool(json, "add_bos_token", kConfigName));
  }
  LWQ_ASSIGN_OR_RETURN(config.bos_token, SpecialToken(json, "bos_token"));
  LWQ_ASSIGN_OR_RETURN(config.eos_token, SpecialToken(json, "eos_token"));
  if (const auto it = json.find("tokenizer_class"); it != json.end() && it->is_string()) {
    config.llama_class = it->get_ref<const std::string&>().starts_with("LlamaTokenizer");
  }
  return config;
}

StatusOr<std::unique_ptr<Tokenizer>> LoadSentencePiece(std::string_view file, TokenizerConfig config) {
  LWQ_ASSIGN_OR_RETURN(SentencePieceModel model, ParseSentencePieceModel(file, kModelName));
  SentencePieceOptions options;
  options.bos_token = std::move(config.bos_token);
  options.eos_token = std::move(config.eos_token);
  options.add_bos = config.add_bos;
  auto tokenizer = MakeSentencePieceTokenizer(std::move(model), std::move(options));
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), kModelName);
  return tokenizer;
}

StatusOr<std::unique_ptr<Tokenizer>> LoadJson(std::string_view file, TokenizerConfig config) {
  JsonTokenizerOptions options;
  options.bos_token = std::move(config.bos_token);
  options.eos_token = std::move(config.eos_token);
  options.add_bos = config.add_bos;
  options.add_known_bos = config.llama_class;
  return MakeJsonTokenizer(file, kJsonName, std::move(options));
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const TokenizerFiles& files, TokenizerFormat format) {
  LWQ_ASSIGN_OR_RETURN(TokenizerConfig config, ParseConfig(files.tokenizer_config_json));
  switch (format) {
    case TokenizerFormat::kAuto:
      break;
    case TokenizerFormat::kJson:
      if (!files.tokenizer_json.has_value()) return absl::NotFoundError("the model has no tokenizer.json");
      break;
    case TokenizerFormat::kSentencePiece:
      if (!files.tokenizer_model.has_value()) return absl::NotFoundError("the model has no tokenizer.model");
      return LoadSentencePiece(*files.tokenizer_model, std::move(config));
  }
  if (files.tokenizer_json.has_value()) return LoadJson(*files.tokenizer_json, std::move(config));
  if (files.tokenizer_model.has_value()) return LoadSentencePiece(*files.tokenizer_model, std::move(config));
  return absl::NotFoundError("the model has neither tokenizer.json nor tokenizer.model");
}

}  // namespace lwq
