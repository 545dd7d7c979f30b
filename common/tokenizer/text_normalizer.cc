// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/text_normalizer.h"

#include <map>
#include <utility>

#include "common/text/utf8.h"

namespace lwq {
namespace {

StatusOr<std::string> ReplaceMatches(const SplitRegex& regex, std::string_view text, std::string_view content) {
  std::string out;
  size_t done = 0;
  LWQ_RETURN_IF_ERROR(regex.ForEachMatch(text, [&](size_t begin, size_t end) {
    out.append(text.substr(done, begin - done)).append(content);
    done = end;
    return absl::OkStatus();
  }));
  out.append(text.substr(done));
  return out;
}

}  // namespace

StatusOr<TextNormalizer> TextNormalizer::FromJson(const Json& section, std::string_view what) {
  TextNormalizer normalizer;
  if (!section.is_null()) LWQ_RETURN_IF_ERROR(normalizer.Add(section, absl::StrCat(what, ": normalizer")));
  return normalizer;
}

Status TextNormalizer::Add(const Json& section, std::string_view what) {
  static const std::map<std::string, NormalizationForm> kForms = {{"NFC", NormalizationForm::kNfc},
                                                                  {"NFD", NormalizationForm::kNfd},
                                                                  {"NFKC", NormalizationForm::kNfkc},
                                                                  {"NFKD", NormalizationForm::kNfkd}};
  LWQ_ASSIGN_OR_RETURN(const std::string type, JsonString(section, "type", what));
  Step step;
  if (type == "Sequence") {
    const auto steps = section.find("normalizers");
    if (steps == section.end() || !steps->is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": 'normalizers' must be a list"));
    }
    for (const Json& part : *steps) LWQ_RETURN_IF_ERROR(Add(part, what));
    return absl::OkStatus();
  }
  if (type == "Replace") return AddReplace(section, what);
  if (const auto form = kForms.find(type); form != kForms.end()) {
    step.kind = Kind::kForm;
    step.form = form->second;
  } else if (type == "Lowercase") {
    step.kind = Kind::kLowercase;
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    LWQ_ASSIGN_OR_RETURN(step.strip_left, JsonBool(section, "strip_left", what));
    LWQ_ASSIGN_OR_RETURN(step.strip_right, JsonBool(section, "strip_right", what));
  } else if (type == "Prepend") {
    LWQ_ASSIGN_OR_RETURN(step.content, JsonString(section, "prepend", what));
  } else {
    return absl::FailedPreconditionError(absl::StrCat(
        what, " '", type,
        "' is not supported (supported: NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace, Sequence)"));
  }
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

Status TextNormalizer::AddReplace(const Json& section, std::string_view what) {
  Step step;
  step.kind = Kind::kReplace;
  LWQ_ASSIGN_OR_RETURN(step.content, JsonString(section, "content", what));
  const auto pattern = section.find("pattern");
  if (pattern == section.end() || !pattern->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " 'Replace' must have a pattern {\"Regex\": …} or {\"String\": …}"));
  }
  if (pattern->contains("Regex")) {
    LWQ_ASSIGN_OR_RETURN(const std::string regex, JsonString(*pattern, "Regex", what));
    LWQ_ASSIGN_OR_RETURN(step.regex, SplitRegex::Compile(regex, what));
  } else {
    LWQ_ASSIGN_OR_RETURN(step.literal, JsonString(*pattern, "String", what));
    if (step.literal.empty()) return absl::InvalidArgumentError(absl::StrCat(what, " 'Replace' has an empty pattern"));
  }
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

StatusOr<std::string> TextNormalizer::Apply(const Step& step, std::string text) {
  switch (step.kind) {
    case Kind::kForm:
      return NormalizeUnicode(text, step.form);
    case Kind::kLowercase:
      return LowercaseUnicode(text);
    case Kind::kStrip: {
      std::string_view rest = text;
      if (step.strip_left) rest.remove_prefix(LeadingSpaceEnd(rest));
      if (step.strip_right) rest = rest.substr(0, TrailingSpaceBegin(rest));
      return std::string(rest);
    }
    case Kind::kPrepend:
      return text.empty() ? text : absl::StrCat(step.content, text);
    case Kind::kReplace:
      if (step.regex.has_value()) return ReplaceMatches(*step.regex, text, step.content);
      return ReplaceAll(text, step.literal, step.content);
  }
  return text;
}

StatusOr<std::string> TextNormalizer::Normalize(std::string_view text) const {
  std::string out(text);
  for (const Step& step : steps_) {
    LWQ_ASSIGN_OR_RETURN(out, Apply(step, std::move(out)));
  }
  return out;
}

}  // namespace lwq
