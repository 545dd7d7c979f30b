// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/token_decoder.h"

#include "absl/strings/str_join.h"
#include "common/text/utf8.h"
#include "common/tokenizer/byte_level.h"
#include "common/tokenizer/byte_piece.h"

namespace lwq {
namespace {

// A run of byte tokens becomes its text, or one U+FFFD a byte where it is not UTF-8 as a whole.
std::vector<std::string> FuseBytes(const std::vector<std::string>& tokens) {
  std::vector<std::string> out;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (FindInvalidUtf8(bytes) == std::string::npos) {
      out.push_back(bytes);
    } else {
      for (size_t i = 0; i < bytes.size(); ++i) out.emplace_back(kReplacementCharacter);
    }
    bytes.clear();
  };
  for (const std::string& token : tokens) {
    if (const auto byte = ParseBytePiece(token); byte.has_value()) {
      bytes.push_back(static_cast<char>(*byte));
    } else {
      flush();
      out.push_back(token);
    }
  }
  flush();
  return out;
}

std::string Strip(std::string_view token, std::string_view content, int64_t start, int64_t stop) {
  for (int64_t i = 0; i < start && token.starts_with(content); ++i) token.remove_prefix(content.size());
  for (int64_t i = 0; i < stop && token.ends_with(content); ++i) token.remove_suffix(content.size());
  return std::string(token);
}

}  // namespace

StatusOr<TokenDecoder> TokenDecoder::FromJson(const Json& section, std::string_view what) {
  TokenDecoder decoder;
  if (!section.is_null()) LWQ_RETURN_IF_ERROR(decoder.Add(section, absl::StrCat(what, ": decoder")));
  return decoder;
}

Status TokenDecoder::Add(const Json& section, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const std::string type, JsonString(section, "type", what));
  Step step;
  if (type == "Sequence") {
    const auto decoders = section.find("decoders");
    if (decoders == section.end() || !decoders->is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": 'decoders' must be a list"));
    }
    for (const Json& decoder : *decoders) LWQ_RETURN_IF_ERROR(Add(decoder, what));
    return absl::OkStatus();
  }
  if (type == "ByteLevel") {
    step.kind = Kind::kByteLevel;
  } else if (type == "ByteFallback") {
    step.kind = Kind::kByteFallback;
  } else if (type == "Fuse") {
    step.kind = Kind::kFuse;
  } else if (type == "Metaspace") {
    step.kind = Kind::kMetaspace;
    LWQ_ASSIGN_OR_RETURN(step.pattern, JsonString(section, "replacement", what));
    step.drop_first = section.value("prepend_scheme", Json("always")) != "never" &&
                      section.value("add_prefix_space", Json(true)) != false;
  } else if (type == "Replace") {
    step.kind = Kind::kReplace;
    const auto pattern = section.find("pattern");
    if (pattern == section.end() || !pattern->is_object() || !pattern->contains("String")) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, " 'Replace' is supported for a plain String pattern only"));
    }
    LWQ_ASSIGN_OR_RETURN(step.pattern, JsonString(*pattern, "String", what));
    LWQ_ASSIGN_OR_RETURN(step.content, JsonString(section, "content", what));
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    LWQ_ASSIGN_OR_RETURN(step.pattern, JsonString(section, "content", what));
    LWQ_ASSIGN_OR_RETURN(step.start, JsonInt(section, "start", what));
    LWQ_ASSIGN_OR_RETURN(step.stop, JsonInt(section, "stop", what));
  } else {
    return absl::FailedPreconditionError(absl::StrCat(
        what, " '", type,
        "' is not supported (supported: ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip, Sequence)"));
  }
  const bool needs_pattern = step.kind == Kind::kMetaspace || step.kind == Kind::kReplace || step.kind == Kind::kStrip;
  if (needs_pattern && step.pattern.empty())
    return absl::InvalidArgumentError(absl::StrCat(what, " '", type, "' has an empty pattern"));
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

void TokenDecoder::Apply(const Step& step, std::vector<std::string>* tokens) {
  switch (step.kind) {
    case Kind::kByteLevel:
      for (std::string& token : *tokens) token = BytesOfByteLevel(token).value_or(token);
      break;
    case Kind::kMetaspace:
      for (std::string& token : *tokens) token = ReplaceAll(token, step.pattern, " ");
      if (step.drop_first && !tokens->empty()) tokens->front() = Strip(tokens->front(), " ", 1, 0);
      break;
    case Kind::kReplace:
      for (std::string& token : *tokens) token = ReplaceAll(token, step.pattern, step.content);
      break;
    case Kind::kByteFallback:
      *tokens = FuseBytes(*tokens);
      break;
    case Kind::kFuse:
      *tokens = {absl::StrJoin(*tokens, "")};
      break;
    case Kind::kStrip:
      for (std::string& token : *tokens) token = Strip(token, step.pattern, step.start, step.stop);
      break;
  }
}

std::string TokenDecoder::Decode(std::vector<std::string> tokens) const {
  for (const Step& step : steps_) Apply(step, &tokens);
  return ReplaceInvalidUtf8(absl::StrJoin(tokens, steps_.empty() ? " " : ""));
}

}  // namespace lwq
