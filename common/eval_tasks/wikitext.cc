// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/wikitext.h"

#include <array>
#include <utility>

#include "common/eval_tasks/python_text.h"
#include "common/text/utf8.h"

namespace lwq {
namespace {

using Replacement = std::pair<std::string_view, std::string_view>;

constexpr auto kSeparatorsAndPunctuation = std::to_array<Replacement>({{" @-@ ", "-"},
                                                                       {" @,@ ", ","},
                                                                       {" @.@ ", "."},
                                                                       {" : ", ": "},
                                                                       {" ; ", "; "},
                                                                       {" . ", ". "},
                                                                       {" ! ", "! "},
                                                                       {" ? ", "? "},
                                                                       {" , ", ", "}});

constexpr auto kHeadingsAndLines = std::to_array<Replacement>({{"= = = =", "===="},
                                                               {"= = =", "==="},
                                                               {"= =", "=="},
                                                               {" \u00B0 ", "\u00B0"},
                                                               {" \n", "\n"},
                                                               {"\n ", "\n"},
                                                               {" N ", " 1 "},
                                                               {" 's", "'s"}});

// What stands between `open` and the next `close` loses the white space at its ends.
std::string TrimmedBetween(std::string_view text, char open, char close) {
  std::string out;
  while (!text.empty()) {
    const size_t begin = text.find(open);
    const size_t end = begin == std::string_view::npos ? begin : text.find(close, begin + 1);
    if (end == std::string_view::npos) break;
    out.append(text.substr(0, begin + 1));
    out.append(PythonStrip(text.substr(begin + 1, end - begin - 1)));
    out.push_back(close);
    text.remove_prefix(end + 1);
  }
  out.append(text);
  return out;
}

// "/' 5/" becomes "/'[0-9]/".
std::string WithTheHarnesssSlip(std::string_view text) {
  constexpr std::string_view kBegin = "/' ";
  std::string out;
  for (size_t found = text.find(kBegin); found != std::string_view::npos; found = text.find(kBegin)) {
    const std::string_view rest = text.substr(found + kBegin.size());
    const bool matches = rest.size() >= 2 && rest[0] >= '0' && rest[0] <= '9' && rest[1] == '/';
    out.append(text.substr(0, found)).append(matches ? "/'[0-9]/" : "/");
    text.remove_prefix(found + (matches ? kBegin.size() + 2 : 1));
  }
  out.append(text);
  return out;
}

}  // namespace

std::string DetokenizedWikitext(std::string_view page) {
  std::string text = WithTheHarnesssSlip(ReplaceAll(page, "s '", "s'"));
  for (const auto& [pattern, content] : kSeparatorsAndPunctuation) text = ReplaceAll(text, pattern, content);
  for (const std::string_view pair : {"()", "[]", "{}", "\"\"", "''"}) text = TrimmedBetween(text, pair[0], pair[1]);
  for (const auto& [pattern, content] : kHeadingsAndLines) text = ReplaceAll(text, pattern, content);
  return text;
}

int64_t WikitextWords(std::string_view page) {
  int64_t words = 1;
  bool was_space = false;
  while (!page.empty()) {
    const Utf8Char c = DecodeUtf8Char(page);
    page.remove_prefix(c.size_bytes);
    const bool is_space = IsPythonSpace(c.code_point);
    if (is_space && !was_space) ++words;
    was_space = is_space;
  }
  return words;
}

}  // namespace lwq
