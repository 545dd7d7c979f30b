// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/post_processor.h"

#include <string>

#include "common/tokenizer/bpe_model.h"

namespace lwq {
namespace {

StatusOr<int32_t> TokenIdOf(const Json& value, std::string_view what) {
  if (!value.is_number_integer() || value < 0 || value >= kMaxVocabularySize) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": the id of a special token is not in [0, ", kMaxVocabularySize, ")"));
  }
  return value.get<int32_t>();
}

// The template's own table says which ids a special token stands for.
Status AppendTemplateIds(const Json& section, const Json& special, std::string_view what, TokenLookup id_of,
                         std::vector<int32_t>* ids) {
  LWQ_ASSIGN_OR_RETURN(const std::string name, JsonString(special, "id", what));
  const Json table = section.value("special_tokens", Json::object());
  const Json entry = table.is_object() ? table.value(name, Json()) : Json();
  if (!entry.is_object() || !entry.contains("ids") || !entry.at("ids").is_array()) {
    const std::optional<int32_t> id = id_of(name);
    if (!id.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " puts '", name, "' in front of texts, which is not in the vocabulary"));
    }
    ids->push_back(*id);
    return absl::OkStatus();
  }
  for (const Json& value : entry.at("ids")) {
    LWQ_ASSIGN_OR_RETURN(const int32_t id, TokenIdOf(value, what));
    ids->push_back(id);
  }
  return absl::OkStatus();
}

StatusOr<std::vector<int32_t>> TemplateFront(const Json& section, std::string_view what, TokenLookup id_of) {
  const auto single = section.find("single");
  if (single == section.end() || !single->is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": 'single' must be a list"));
  }
  std::vector<int32_t> ids;
  for (const Json& piece : *single) {
    if (!piece.is_object())
      return absl::InvalidArgumentError(absl::StrCat(what, ": 'single' must be a list of objects"));
    if (piece.contains("Sequence")) return ids;
    if (piece.contains("SpecialToken"))
      LWQ_RETURN_IF_ERROR(AppendTemplateIds(section, piece.at("SpecialToken"), what, id_of, &ids));
  }
  return absl::FailedPreconditionError(absl::StrCat(what, ": 'single' has no place for the text"));
}

// "cls": ["<s>", 0].
StatusOr<std::vector<int32_t>> ClassificationFront(const Json& section, std::string_view what) {
  const auto cls = section.find("cls");
  if (cls == section.end() || !cls->is_array() || cls->size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": 'cls' must be a token and its id"));
  }
  LWQ_ASSIGN_OR_RETURN(const int32_t id, TokenIdOf(cls->at(1), what));
  return std::vector<int32_t>{id};
}

StatusOr<std::vector<int32_t>> FrontOf(const Json& section, std::string_view what, TokenLookup id_of) {
  LWQ_ASSIGN_OR_RETURN(const std::string type, JsonString(section, "type", what));
  if (type == "ByteLevel") return std::vector<int32_t>();
  if (type == "TemplateProcessing") return TemplateFront(section, what, id_of);
  if (type == "RobertaProcessing" || type == "BertProcessing") return ClassificationFront(section, what);
  if (type != "Sequence") {
    return absl::FailedPreconditionError(
        absl::StrCat(what, " '", type,
                     "' is not supported (supported: TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel, "
                     "Sequence)"));
  }
  const auto processors = section.find("processors");
  if (processors == section.end() || !processors->is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": 'processors' must be a list"));
  }
  std::vector<int32_t> ids;
  for (const Json& processor : *processors) {  // each puts its tokens in front of what there is
    LWQ_ASSIGN_OR_RETURN(const std::vector<int32_t> front, FrontOf(processor, what, id_of));
    ids.insert(ids.begin(), front.begin(), front.end());
  }
  return ids;
}

}  // namespace

StatusOr<std::vector<int32_t>> LeadingSpecialTokens(const Json& section, std::string_view what, TokenLookup id_of) {
  if (section.is_null()) return std::vector<int32_t>();
  return FrontOf(section, absl::StrCat(what, ": post_processor"), id_of);
}

}  // namespace lwq
