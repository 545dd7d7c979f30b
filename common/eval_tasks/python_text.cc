// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/python_text.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/stringoptions.h>
#include <unicode/stringpiece.h>

#include "common/status/status.h"
#include "common/text/utf8.h"

namespace lwq {
namespace {

icu::StringPiece PieceOf(std::string_view text) {
  return {text.data(), static_cast<int32_t>(text.size())};
}

std::string LowerOf(std::string_view text) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode error = U_ZERO_ERROR;
  icu::CaseMap::utf8ToLower("", 0, PieceOf(text), sink, nullptr, error);
  LWQ_CHECK(U_SUCCESS(error), "ICU: ", u_errorName(error));
  return out;
}

// The title case of one character.
std::string TitleOf(std::string_view character) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode error = U_ZERO_ERROR;
  icu::CaseMap::utf8ToTitle("", U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT, nullptr, PieceOf(character),
                            sink, nullptr, error);
  LWQ_CHECK(U_SUCCESS(error), "ICU: ", u_errorName(error));
  return out;
}

}  // namespace

bool IsPythonSpace(char32_t c) {
  return IsWhiteSpace(c) || (c >= 0x1C && c <= 0x1F);
}

int64_t PythonLength(std::string_view text) {
  int64_t characters = 0;
  for (; !text.empty(); ++characters) text.remove_prefix(DecodeUtf8Char(text).size_bytes);
  return characters;
}

size_t PythonTrimmedEnd(std::string_view text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8Char(text.substr(at));
    at += c.size_bytes;
    if (!IsPythonSpace(c.code_point)) end = at;
  }
  return end;
}

std::string_view PythonStrip(std::string_view text) {
  text = text.substr(0, PythonTrimmedEnd(text));
  while (!text.empty()) {
    const Utf8Char c = DecodeUtf8Char(text);
    if (!IsPythonSpace(c.code_point)) break;
    text.remove_prefix(c.size_bytes);
  }
  return text;
}

std::string PythonCapitalize(std::string_view text) {
  if (text.empty()) return "";
  const std::string_view first = text.substr(0, DecodeUtf8Char(text).size_bytes);
  // The rest is lowered beside what stands before it: whether a sigma is a final one depends on that.
  return TitleOf(first) + LowerOf(text).substr(LowerOf(first).size());
}

std::string WithoutBracketed(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t open = text.find('[');
    out.append(text.substr(0, open));
    if (open == std::string_view::npos) break;
    text.remove_prefix(open);
    const size_t close = text.find_first_of("]\n");
    const bool is_bracketed = close != std::string_view::npos && text[close] == ']';
    if (!is_bracketed) out.push_back('[');
    text.remove_prefix(is_bracketed ? close + 1 : 1);
  }
  return out;
}

}  // namespace lwq
