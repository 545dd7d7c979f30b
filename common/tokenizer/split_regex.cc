// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/split_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "common/text/utf8.h"

namespace lwq {
namespace {

constexpr size_t kMaxPatternBytes = 16384;
constexpr uint32_t kMatchLimit = 50'000'000;
constexpr uint32_t kHeapLimitKib = 256 * 1024;
constexpr size_t kJitStackBytes = size_t{4} << 20;

template <auto kFree>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using CompileContext = std::unique_ptr<pcre2_compile_context, Deleter<pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Deleter<pcre2_jit_stack_free>>;

std::string ErrorText(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

// A pattern that needs too much work for a text needs it on every machine.
Status MatchFailed(int code, size_t at_byte) {
  const std::string message =
      absl::StrCat("the split pattern failed at byte ", at_byte, " of the text: ", ErrorText(code));
  return code == PCRE2_ERROR_NOMEMORY ? absl::ResourceExhaustedError(message) : absl::FailedPreconditionError(message);
}

Status Unsupported(std::string_view construct, std::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(what, ": the pattern's '", construct, "' is not supported"));
}

// Rewrites a pattern of Oniguruma's Ruby syntax for PCRE2, token by token: what means the same in both is copied, what
// differs is rewritten (\s is Unicode's white space, \v a vertical tab), and what PCRE2 would read otherwise, or what
// tokenizers do not use, is refused rather than guessed.
class PatternTranslator {
 public:
  PatternTranslator(std::string_view pattern, std::string_view what) : rest_(pattern), what_(what) {}

  StatusOr<std::string> Translate() {
    while (!rest_.empty()) {
      if (rest_[0] == '\\') {
        LWQ_RETURN_IF_ERROR(Escape());
        continue;
      }
      for (const std::string_view construct : {"(*", "(?C", "(?R", "(?&", "(?P", "(?|", "&&", "[:", "[=", "[."}) {
        if (rest_.starts_with(construct)) return Unsupported(construct, what_);
      }
      // Possessive in PCRE2, a repeated repetition in Oniguruma.
      if (rest_.starts_with("}+")) return Unsupported("}+", what_);
      Take(1);
    }
    return out_;
  }

 private:
  void Take(size_t size) {
    out_.append(rest_.substr(0, size));
    rest_.remove_prefix(size);
  }

  Status Escape() {
    if (rest_.size() < 2) return absl::InvalidArgumentError(absl::StrCat(what_, ": the pattern ends in a backslash"));
    const char c = rest_[1];
    if (c == 's' || c == 'S') {
      out_.append(c == 's' ? "\\p{White_Space}" : "\\P{White_Space}");
      rest_.remove_prefix(2);
      return absl::OkStatus();
    }
    if (c == 'p' || c == 'P') return Property();
    const bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    constexpr std::string_view kSameInBoth = "rntfdDAzZ";
    if (c == 'v') {  // vertical tab in Oniguruma, a class in PCRE2
      out_.append("\\x0B");
      rest_.remove_prefix(2);
      return absl::OkStatus();
    }
    if (letter_or_digit && kSameInBoth.find(c) == std::string_view::npos) return Unsupported(rest_.substr(0, 2), what_);
    Take(1);
    Take(DecodeUtf8Char(rest_).size_bytes);
    return absl::OkStatus();
  }

  Status Property() {
    const size_t end = rest_.find('}');
    if (rest_.size() < 3 || rest_[2] != '{' || end == std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(what_, ": the pattern has a \\p without {…}"));
    }
    Take(end + 1);
    return absl::OkStatus();
  }

  std::string_view rest_;
  std::string_view what_;
  std::string out_;
};

// What a match needs beside the pattern, kept by each thread: making it costs more than matching a short text. A match
// is over when its bounds have been read, so a visitor may match again.
struct MatchState {
  MatchContext context{pcre2_match_context_create(nullptr)};
  MatchData data{pcre2_match_data_create(1, nullptr)};
  JitStack stack{pcre2_jit_stack_create(size_t{32} << 10, kJitStackBytes, nullptr)};

  MatchState() {
    if (context == nullptr) return;
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimitKib);
    if (stack != nullptr) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

}  // namespace

struct SplitRegex::Code {
  explicit Code(pcre2_code* compiled) : pcre(compiled) {}
  ~Code() { pcre2_code_free(pcre); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  pcre2_code* pcre;
};

StatusOr<SplitRegex> SplitRegex::Compile(std::string_view pattern, std::string_view what) {
  if (pattern.size() > kMaxPatternBytes) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": the pattern is longer than ", kMaxPatternBytes, " bytes"));
  }
  // Step 1: into PCRE2's syntax.
  LWQ_ASSIGN_OR_RETURN(const std::string translated, PatternTranslator(pattern, what).Translate());
  const CompileContext context(pcre2_compile_context_create(nullptr));
  if (context == nullptr) return absl::ResourceExhaustedError(absl::StrCat(what, ": out of memory"));
  // Step 2: compile it with Ruby's meaning of lines.
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE error_at = 0;
  // MULTILINE: ^ and $ are anchors of lines in Ruby's syntax.
  constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  pcre2_code* compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), kOptions,
                                       &error, &error_at, context.get());
  if (compiled == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": '", pattern, "' is no regular expression: ", ErrorText(error)));
  }
  SplitRegex regex;
  regex.code_ = std::make_shared<const Code>(compiled);
  // Step 3: to machine code. Without JIT support in the library the interpreter is used; the matches are the same.
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
  return regex;
}

Status SplitRegex::ForEachMatch(std::string_view text, absl::FunctionRef<Status(size_t, size_t)> visit) const {
  static thread_local const MatchState state;
  if (state.context == nullptr || state.data == nullptr) return absl::ResourceExhaustedError("PCRE2: out of memory");
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  for (size_t from = 0; from <= text.size();) {
    const int found =
        pcre2_match(code_->pcre, subject, text.size(), from, PCRE2_NO_UTF_CHECK, state.data.get(), state.context.get());
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) return MatchFailed(found, from);
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(state.data.get());
    const size_t begin = bounds[0];
    const size_t end = bounds[1];
    if (end < begin || begin < from)
      return absl::FailedPreconditionError("the split pattern matches backwards (\\K is not supported)");
    LWQ_RETURN_IF_ERROR(visit(begin, end));
    // The next match begins where this one ends; behind an empty match a character later, or it would be found again.
    from = end;
    if (end == begin) from += end < text.size() ? DecodeUtf8Char(text.substr(end)).size_bytes : 1;
  }
  return absl::OkStatus();
}

}  // namespace lwq
