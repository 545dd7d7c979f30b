#include "common/tokenizer/text_normalizer.h"

#include "common/text/utf8.h"

namespace lwq {

StatusOr<TextNormalizer> TextNormalizer::FromJson(const Json& section, std::string_view what) {
  TextNormalizer normalizer;
  if (!section.is_null()) LWQ_RETURN_IF_ERROR(normalizer.Add(section, absl::StrCat(what, ": normalizer")));
  return normalizer;
}

Status TextNormalizer::Add(const Json& section, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const std::string type, JsonString(section, "type", what));
  if (type == "Sequence") {
    const auto steps = section.find("normalizers");
    if (steps == section.end() || !steps->is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": 'normalizers' must be a list"));
    }
    for (const Json& step : *steps) LWQ_RETURN_IF_ERROR(Add(step, what));
    return absl::OkStatus();
  }
  if (type == "Prepend") {
    LWQ_ASSIGN_OR_RETURN(std::string content, JsonString(section, "prepend", what));
    steps_.push_back({"", std::move(content)});
    return absl::OkStatus();
  }
  if (type == "Replace") {
    const auto pattern = section.find("pattern");
    if (pattern == section.end() || !pattern->is_object() || !pattern->contains("String")) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, " 'Replace' is supported for a plain String pattern only"));
    }
    LWQ_ASSIGN_OR_RETURN(std::string text, JsonString(*pattern, "String", what));
    LWQ_ASSIGN_OR_RETURN(std::string content, JsonString(section, "content", what));
    if (text.empty()) return absl::InvalidArgumentError(absl::StrCat(what, " 'Replace' has an empty pattern"));
    steps_.push_back({std::move(text), std::move(content)});
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(what, " '", type, "' is not supported (supported: Prepend, Replace, Sequence)"));
}

std::string TextNormalizer::Normalize(std::string_view text) const {
  std::string out(text);
  for (const Step& step : steps_) {
    if (!step.pattern.empty()) {
      out = ReplaceAll(out, step.pattern, step.content);
    } else if (!out.empty()) {
      out.insert(0, step.content);
    }
  }
  return out;
}

}  // namespace lwq
