#include "common/tokenizer/pre_tokenizer.h"

#include <utility>

#include "common/text/utf8.h"

namespace lwq {
namespace {

// GPT-2's, which ByteLevel uses unless a Split before it did the work.
constexpr std::string_view kGpt2Pattern = R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

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

Status PreTokenizer::Add(const Json& section, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const std::string type, JsonString(section, "type", what));
  if (byte_level_)
    return absl::FailedPreconditionError(absl::StrCat(what, " '", type, "' behind 'ByteLevel' is not supported"));
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
  return absl::FailedPreconditionError(
      absl::StrCat(what, " '", type, "' is not supported (supported: Split, ByteLevel, Metaspace, Sequence)"));
}

Status PreTokenizer::AddSplit(const Json& section, std::string_view what) {
  const auto pattern = section.find("pattern");
  if (pattern == section.end() || !pattern->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " 'Split' must have a pattern {\"Regex\": …} or {\"String\": …}"));
  }
  LWQ_ASSIGN_OR_RETURN(const std::string behavior, JsonString(section, "behavior", what));
  LWQ_ASSIGN_OR_RETURN(const bool invert, BoolOr(section, "invert", false, what));
  Step step;
  if (behavior == "Removed") {
    step.drop_matches = !invert;
    step.drop_gaps = invert;
  } else if (behavior != "Isolated") {
    return absl::FailedPreconditionError(
        absl::StrCat(what, " 'Split' with behavior '", behavior, "' is not supported (supported: Isolated, Removed)"));
  }
  if (pattern->contains("Regex")) {
    LWQ_ASSIGN_OR_RETURN(const std::string regex, JsonString(*pattern, "Regex", what));
    LWQ_ASSIGN_OR_RETURN(step.regex, SplitRegex::Compile(regex, what));
  } else {
    LWQ_ASSIGN_OR_RETURN(step.literal, JsonString(*pattern, "String", what));
    if (step.literal.empty()) return absl::InvalidArgumentError(absl::StrCat(what, " 'Split' has an empty pattern"));
  }
  steps_.push_back(std::move(step));
  splits_ = true;
  return absl::OkStatus();
}

Status PreTokenizer::AddByteLevel(const Json& section, std::string_view what) {
  for (const Step& step : steps_) {
    if (step.kind == Kind::kMetaspace) {
      return absl::FailedPreconditionError(absl::StrCat(what, " 'ByteLevel' behind 'Metaspace' is not supported"));
    }
  }
  LWQ_ASSIGN_OR_RETURN(const bool prefix_space, BoolOr(section, "add_prefix_space", true, what));
  LWQ_ASSIGN_OR_RETURN(const bool use_regex, BoolOr(section, "use_regex", true, what));
  if (prefix_space) {
    Step step;
    step.kind = Kind::kPrefixSpace;
    steps_.push_back(std::move(step));
  }
  if (use_regex) {
    Step step;
    LWQ_ASSIGN_OR_RETURN(step.regex, SplitRegex::Compile(kGpt2Pattern, what));
    steps_.push_back(std::move(step));
    splits_ = true;
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
  splits_ = splits_ || step.split;
  steps_.push_back(std::move(step));
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
  }
  return absl::OkStatus();
}

Status PreTokenizer::RunSplit(size_t index, std::string_view text, bool at_start, Visit visit) const {
  const Step& step = steps_[index];
  size_t done = 0;
  const auto emit = [&](size_t begin, size_t end) {
    return Run(index + 1, text.substr(begin, end - begin), at_start && begin == 0, visit);
  };
  const auto on_match = [&](size_t begin, size_t end) -> Status {
    if (!step.drop_gaps) LWQ_RETURN_IF_ERROR(emit(done, begin));
    if (!step.drop_matches) LWQ_RETURN_IF_ERROR(emit(begin, end));
    done = end;
    return absl::OkStatus();
  };
  if (step.regex.has_value()) {
    LWQ_RETURN_IF_ERROR(step.regex->ForEachMatch(text, on_match));
  } else {
    for (size_t at = text.find(step.literal); at != std::string_view::npos; at = text.find(step.literal, done)) {
      LWQ_RETURN_IF_ERROR(on_match(at, at + step.literal.size()));
    }
  }
  return step.drop_gaps ? absl::OkStatus() : emit(done, text.size());
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
