// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/pre_tokenizer.h"

#include <utility>

#include "common/text/utf8.h"
#include "common/tokenizer/byte_level.h"
#include "common/tokenizer/unicode.h"

namespace lwq {
namespace {

// GPT-2's, which ByteLevel uses unless a Split before it did the work.
constexpr std::string_view kGpt2Pattern = R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Whitespace's: words as Unicode's technical standard 18 has them (the two characters at the end are U+200C and
// U+200D), and runs of what is neither word nor white space.
constexpr std::string_view kWhitespacePattern =
    "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\xE2\x80\x8C\xE2\x80\x8D]+|"
    "[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\xE2\x80\x8C\xE2\x80\x8D\\s]+";

// Calls visit(begin, end) for every place where `literal` stands, from the left and not overlapping.
template <typename Visit>
Status ForEachLiteral(std::string_view text, std::string_view literal, Visit&& visit) {
  for (size_t at = text.find(literal); at != std::string_view::npos; at = text.find(literal, at + literal.size())) {
    LWQ_RETURN_IF_ERROR(visit(at, at + literal.size()));
  }
  return absl::OkStatus();
}

// Calls visit(begin, end) for every character of a class.
template <typename Visit>
Status ForEachOfClass(std::string_view text, bool (*is_match)(char32_t), Visit&& visit) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8Char(text.substr(at));
    if (is_match(c.code_point)) LWQ_RETURN_IF_ERROR(visit(at, at + c.size_bytes));
    at += c.size_bytes;
  }
  return absl::OkStatus();
}

StatusOr<bool> BoolOr(const Json& section, std::string_view key, bool fallback, std::string_view what) {
  if (!section.contains(key)) return fallback;
  return JsonBool(section, key, what);
}

}  // namespace

StatusOr<PreTokenizer> PreTokenizer::FromJson(const Json& section, std::string_view what) {
  PreTokenizer pre_tokenizer;
  if (!section.is_null()) LWQ_RETURN_IF_ERROR(pre_tokenizer.Add(section, absl::StrCat(what, ": pre_tokenizer")));
  return pre_tokenizer;
}

void PreTokenizer::SpellBytes() {
  LWQ_CHECK(byte_level_, "words are no bytes");
  byte_level_ = false;
  Step step;
  step.kind = Kind::kSpellBytes;
  steps_.push_back(std::move(step));
}

void PreTokenizer::AddStep(Step step) {
  if (byte_level_) SpellBytes();
  splits_ = splits_ || step.kind == Kind::kSplit || (step.kind == Kind::kMetaspace && step.split);
  steps_.push_back(std::move(step));
}

Status PreTokenizer::Add(const Json& section, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const std::string type, JsonString(section, "type", what));
  if (type == "Sequence") {
    const auto steps = section.find("pretokenizers");
    if (steps == section.end() || !steps->is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": 'pretokenizers' must be a list"));
    }
    for (const Json& step : *steps) LWQ_RETURN_IF_ERROR(Add(step, what));
    return absl::OkStatus();
  }
  if (type == "Split") return AddSplit(section, what);
  if (type == "ByteLevel") return AddByteLevel(section, what);
  if (type == "Metaspace") return AddMetaspace(section, what);
  return AddClassSplit(type, section, what);
}

Status PreTokenizer::AddSplit(const Json& section, std::string_view what) {
  const auto pattern = section.find("pattern");
  if (pattern == section.end() || !pattern->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " 'Split' must have a pattern {\"Regex\": …} or {\"String\": …}"));
  }
  Step step;
  LWQ_ASSIGN_OR_RETURN(const std::string behavior, JsonString(section, "behavior", what));
  LWQ_ASSIGN_OR_RETURN(step.behavior, ParseSplitBehavior(behavior, absl::StrCat(what, " 'Split'")));
  LWQ_ASSIGN_OR_RETURN(step.invert, BoolOr(section, "invert", false, what));
  if (pattern->contains("Regex")) {
    LWQ_ASSIGN_OR_RETURN(const std::string regex, JsonString(*pattern, "Regex", what));
    LWQ_ASSIGN_OR_RETURN(step.regex, SplitRegex::Compile(regex, what));
  } else {
    LWQ_ASSIGN_OR_RETURN(step.literal, JsonString(*pattern, "String", what));
    if (step.literal.empty()) return absl::InvalidArgumentError(absl::StrCat(what, " 'Split' has an empty pattern"));
  }
  AddStep(std::move(step));
  return absl::OkStatus();
}

Status PreTokenizer::AddClassSplit(const std::string& type, const Json& section, std::string_view what) {
  Step step;
  if (type == "Digits") {
    LWQ_ASSIGN_OR_RETURN(const bool individual, BoolOr(section, "individual_digits", false, what));
    step.is_match = IsNumeric;
    step.behavior = individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous;
  } else if (type == "Punctuation") {
    step.is_match = IsPunctuation;
    if (section.contains("behavior")) {
      LWQ_ASSIGN_OR_RETURN(const std::string behavior, JsonString(section, "behavior", what));
      LWQ_ASSIGN_OR_RETURN(step.behavior, ParseSplitBehavior(behavior, absl::StrCat(what, " 'Punctuation'")));
    }
  } else if (type == "WhitespaceSplit") {
    step.is_match = IsWhiteSpace;
    step.behavior = SplitBehavior::kRemoved;
  } else if (type == "Whitespace") {
    LWQ_ASSIGN_OR_RETURN(step.regex, SplitRegex::Compile(kWhitespacePattern, what));
    step.behavior = SplitBehavior::kRemoved;
    step.invert = true;
  } else if (type == "CharDelimiterSplit") {
    LWQ_ASSIGN_OR_RETURN(step.literal, JsonString(section, "delimiter", what));
    if (step.literal.empty()) return absl::InvalidArgumentError(absl::StrCat(what, " '", type, "' has no delimiter"));
    step.behavior = SplitBehavior::kRemoved;
  } else {
    return absl::FailedPreconditionError(
        absl::StrCat(what, " '", type,
                     "' is not supported (supported: Split, Digits, Punctuation, Whitespace, WhitespaceSplit, "
                     "CharDelimiterSplit, ByteLevel, Metaspace, Sequence)"));
  }
  AddStep(std::move(step));
  return absl::OkStatus();
}

Status PreTokenizer::AddByteLevel(const Json& section, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const bool prefix_space, BoolOr(section, "add_prefix_space", true, what));
  LWQ_ASSIGN_OR_RETURN(const bool use_regex, BoolOr(section, "use_regex", true, what));
  if (byte_level_) SpellBytes();
  if (prefix_space) {
    Step step;
    step.kind = Kind::kPrefixSpace;
    AddStep(std::move(step));
  }
  if (use_regex) {
    Step step;
    LWQ_ASSIGN_OR_RETURN(step.regex, SplitRegex::Compile(kGpt2Pattern, what));
    AddStep(std::move(step));
  }
  byte_level_ = true;
  return absl::OkStatus();
}

Status PreTokenizer::AddMetaspace(const Json& section, std::string_view what) {
  Step step;
  step.kind = Kind::kMetaspace;
  LWQ_ASSIGN_OR_RETURN(step.replacement, JsonString(section, "replacement", what));
  if (step.replacement.empty())
    return absl::InvalidArgumentError(absl::StrCat(what, " 'Metaspace' has an empty replacement"));
  LWQ_ASSIGN_OR_RETURN(step.split, BoolOr(section, "split", true, what));
  LWQ_ASSIGN_OR_RETURN(const bool prefix_space, BoolOr(section, "add_prefix_space", true, what));
  step.prepend = prefix_space ? PrependScheme::kAlways : PrependScheme::kNever;
  if (section.contains("prepend_scheme")) {
    LWQ_ASSIGN_OR_RETURN(const std::string scheme, JsonString(section, "prepend_scheme", what));
    if (scheme == "always") {
      step.prepend = PrependScheme::kAlways;
    } else if (scheme == "first") {
      step.prepend = PrependScheme::kFirst;
    } else if (scheme == "never") {
      step.prepend = PrependScheme::kNever;
    } else {
      return absl::FailedPreconditionError(
          absl::StrCat(what, " 'Metaspace' with prepend_scheme '", scheme, "' is not supported"));
    }
  }
  AddStep(std::move(step));
  return absl::OkStatus();
}

Status PreTokenizer::Run(size_t index, std::string_view text, bool at_start, Visit visit) const {
  if (text.empty()) return absl::OkStatus();
  if (index == steps_.size()) return visit(text);
  switch (steps_[index].kind) {
    case Kind::kSplit:
      return RunSplit(index, text, at_start, visit);
    case Kind::kMetaspace:
      return RunMetaspace(index, text, at_start, visit);
    case Kind::kPrefixSpace:
      if (text.starts_with(' ')) return Run(index + 1, text, at_start, visit);
      return Run(index + 1, absl::StrCat(" ", text), at_start, visit);
    case Kind::kSpellBytes:
      return Run(index + 1, ByteLevelOfBytes(text), at_start, visit);
  }
  return absl::OkStatus();
}

Status PreTokenizer::RunSplit(size_t index, std::string_view text, bool at_start, Visit visit) const {
  const Step& step = steps_[index];
  const auto emit = [&](size_t begin, size_t end) {
    return Run(index + 1, text.substr(begin, end - begin), at_start && begin == 0, visit);
  };
  PieceMaker pieces(step.behavior, emit);
  size_t done = 0;
  bool matched = false;
  const auto on_match = [&](size_t begin, size_t end) -> Status {
    if (matched && begin == end && begin == done) return absl::OkStatus();  // an empty match right behind another
    if (done != begin) LWQ_RETURN_IF_ERROR(pieces.Add(done, begin, step.invert));
    LWQ_RETURN_IF_ERROR(pieces.Add(begin, end, !step.invert));
    done = end;
    matched = true;
    return absl::OkStatus();
  };
  if (step.regex.has_value()) {
    LWQ_RETURN_IF_ERROR(step.regex->ForEachMatch(text, on_match));
  } else if (step.is_match != nullptr) {
    LWQ_RETURN_IF_ERROR(ForEachOfClass(text, step.is_match, on_match));
  } else {
    LWQ_RETURN_IF_ERROR(ForEachLiteral(text, step.literal, on_match));
  }
  if (done != text.size()) LWQ_RETURN_IF_ERROR(pieces.Add(done, text.size(), step.invert));
  return pieces.Finish();
}

Status PreTokenizer::RunMetaspace(size_t index, std::string_view text, bool at_start, Visit visit) const {
  const Step& step = steps_[index];
  std::string replaced = ReplaceAll(text, " ", step.replacement);
  const bool prepend = step.prepend == PrependScheme::kAlways || (step.prepend == PrependScheme::kFirst && at_start);
  if (prepend && !replaced.starts_with(step.replacement)) replaced.insert(0, step.replacement);
  if (!step.split) return Run(index + 1, replaced, at_start, visit);
  std::string_view rest = replaced;
  while (!rest.empty()) {
    const std::string_view word =
        rest.substr(0, rest.find(step.replacement, rest.starts_with(step.replacement) ? step.replacement.size() : 0));
    LWQ_RETURN_IF_ERROR(Run(index + 1, word, at_start, visit));
    at_start = false;
    rest.remove_prefix(word.size());
  }
  return absl::OkStatus();
}

}  // namespace lwq
