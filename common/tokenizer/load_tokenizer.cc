// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/load_tokenizer.h"

#include <string>
#include <utility>
#include <vector>

#include "common/json/json.h"
#include "common/tokenizer/added_tokens.h"
#include "common/tokenizer/json_tokenizer.h"
#include "common/tokenizer/sentencepiece_model.h"
#include "common/tokenizer/sentencepiece_tokenizer.h"

namespace lwq {
namespace {

constexpr std::string_view kModelName = "tokenizer.model";
constexpr std::string_view kJsonName = "tokenizer.json";
constexpr std::string_view kConfigName = "tokenizer_config.json";

constexpr std::string_view kAddedName = "added_tokens.json";

struct TokenizerConfig {
  std::optional<bool> add_bos;
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::vector<AddedToken> added_tokens;
  bool legacy = false;
};

// A special token is written as a string, as {"content": string, …}, or null. Of another form it names none.
std::optional<std::string> SpecialToken(const Json& config, std::string_view key) {
  const auto it = config.find(key);
  if (it == config.end()) return std::nullopt;
  const Json& content = it->is_object() && it->contains("content") ? it->at("content") : *it;
  return content.is_string() ? std::optional(content.get<std::string>()) : std::nullopt;
}

std::optional<bool> FlagOrNothing(const Json& config, std::string_view key) {
  const auto it = config.find(key);
  return it != config.end() && it->is_boolean() ? std::optional(it->get<bool>()) : std::nullopt;
}

// added_tokens.json, then added_tokens_decoder, whose flags count where both name a token.
StatusOr<TokenizerConfig> ReadConfig(const TokenizerFiles& files) {
  TokenizerConfig config;
  if (files.added_tokens_json.has_value()) {
    LWQ_ASSIGN_OR_RETURN(const Json json, ParseJson(*files.added_tokens_json, kAddedName));
    LWQ_ASSIGN_OR_RETURN(config.added_tokens, ParseAddedTokensMap(json, kAddedName));
  }
  if (!files.tokenizer_config_json.has_value()) return config;
  LWQ_ASSIGN_OR_RETURN(const Json json, ParseJson(*files.tokenizer_config_json, kConfigName));
  if (!json.is_object()) return absl::InvalidArgumentError(absl::StrCat(kConfigName, " is not a JSON object"));
  config.add_bos = FlagOrNothing(json, "add_bos_token");
  config.legacy = FlagOrNothing(json, "legacy").value_or(false);
  config.bos_token = SpecialToken(json, "bos_token");
  config.eos_token = SpecialToken(json, "eos_token");
  if (const auto decoder = json.find("added_tokens_decoder"); decoder != json.end()) {
    LWQ_ASSIGN_OR_RETURN(std::vector<AddedToken> tokens, ParseAddedTokensDecoder(*decoder, kConfigName));
    for (AddedToken& token : tokens) config.added_tokens.push_back(std::move(token));
  }
  return config;
}

// Control pieces and the unknown piece, to be found in a text as added tokens are.
std::vector<AddedToken> ReservedPieces(const SentencePieceModel& model) {
  std::vector<AddedToken> tokens;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const SentencePiece& piece = model.pieces[i];
    if (piece.type != SentencePiece::Type::kControl && piece.type != SentencePiece::Type::kUnknown) continue;
    AddedToken token;
    token.id = static_cast<int32_t>(i);
    token.content = piece.text;
    token.special = true;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

StatusOr<std::unique_ptr<Tokenizer>> LoadSentencePiece(std::string_view file, TokenizerConfig config, bool alone) {
  LWQ_ASSIGN_OR_RETURN(SentencePieceModel model, ParseSentencePieceModel(file, kModelName));
  SentencePieceOptions options;
  options.bos_token = std::move(config.bos_token);
  options.eos_token = std::move(config.eos_token);
  options.add_bos = config.add_bos;
  options.prefix_every_part = config.legacy;
  if (!alone) {
    options.added_tokens = ReservedPieces(model);
    for (AddedToken& token : config.added_tokens) options.added_tokens.push_back(std::move(token));
  }
  auto tokenizer = MakeSentencePieceTokenizer(std::move(model), std::move(options));
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), kModelName);
  return tokenizer;
}

StatusOr<std::unique_ptr<Tokenizer>> LoadJson(std::string_view file, TokenizerConfig config) {
  JsonTokenizerOptions options;
  options.bos_token = std::move(config.bos_token);
  options.eos_token = std::move(config.eos_token);
  options.more_added_tokens = std::move(config.added_tokens);
  return MakeJsonTokenizer(file, kJsonName, options);
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const TokenizerFiles& files, TokenizerFormat format) {
  LWQ_ASSIGN_OR_RETURN(TokenizerConfig config, ReadConfig(files));
  switch (format) {
    case TokenizerFormat::kAuto:
      break;
    case TokenizerFormat::kJson:
      if (!files.tokenizer_json.has_value()) return absl::NotFoundError("the model has no tokenizer.json");
      break;
    case TokenizerFormat::kSentencePiece:
      if (!files.tokenizer_model.has_value()) return absl::NotFoundError("the model has no tokenizer.model");
      return LoadSentencePiece(*files.tokenizer_model, std::move(config), /*alone=*/true);
  }
  if (files.tokenizer_json.has_value()) return LoadJson(*files.tokenizer_json, std::move(config));
  if (files.tokenizer_model.has_value())
    return LoadSentencePiece(*files.tokenizer_model, std::move(config), /*alone=*/false);
  return absl::NotFoundError("the model has neither tokenizer.json nor tokenizer.model");
}

}  // namespace lwq
