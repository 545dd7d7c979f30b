// SPDX-License-Identifier: Apache-2.0
#include "reporting/card_front_matter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/json/json.h"

namespace lwq::reporting {
namespace {

constexpr std::string_view kFence = "---";
constexpr size_t kMostLines = 1000;
constexpr size_t kLongestValue = 500;

constexpr std::string_view kSpaces = " \t\r";

std::string_view WithoutTrailingSpaces(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

std::string_view Stripped(std::string_view text) {
  return WithoutTrailingSpaces(text.substr(std::min(text.find_first_not_of(kSpaces), text.size())));
}

// Up to the separator, which is taken off `rest` with it.
std::string_view TakeUpTo(char separator, std::string_view& rest) {
  const size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return taken;
}

// Without quotes around it, and without what follows as a comment.
std::string Unquoted(std::string_view text) {
  text = Stripped(text);
  const bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front();
  if (quoted) return std::string(text.substr(1, text.size() - 2));
  return std::string(Stripped(text.substr(0, text.find(" #"))));
}

// "a", or "[a, b]"; nothing of texts over several lines, maps, anchors and tags.
std::vector<std::string> ValuesOn(std::string_view text) {
  text = Stripped(text);
  std::vector<std::string> values;
  if (!text.empty() && std::string_view(">|{&*!").find(text.front()) != std::string_view::npos) return values;
  if (!text.starts_with('[') || !text.ends_with(']')) {
    if (!text.empty() && !text.starts_with('#')) values.push_back(Unquoted(text));
    return values;
  }
  for (std::string_view rest = text.substr(1, text.size() - 2); !rest.empty();) {
    if (std::string word = Unquoted(TakeUpTo(',', rest)); !word.empty()) values.push_back(std::move(word));
  }
  return values;
}

// What means a text to every reader: letters, digits and a few signs, and nothing that YAML takes for another type.
bool IsPlainText(std::string_view text) {
  static constexpr std::string_view kOtherTypes[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  if (text.empty() || !absl::ascii_isalpha(static_cast<unsigned char>(text.front()))) return false;
  const std::string lower = absl::AsciiStrToLower(std::string(text));
  if (std::find(std::begin(kOtherTypes), std::end(kOtherTypes), lower) != std::end(kOtherTypes)) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' || c == '/';
  });
}

}  // namespace

FrontMatter ParseFrontMatter(std::string_view card) {
  if (WithoutTrailingSpaces(TakeUpTo('\n', card)) != kFence) return {};
  FrontMatter found;
  std::vector<std::string>* listed = nullptr;  // whose lines "- a" may follow
  for (size_t i = 0; i < kMostLines && !card.empty(); ++i) {
    const std::string_view line = WithoutTrailingSpaces(TakeUpTo('\n', card));
    if (line == kFence) return found;
    const std::string_view item = Stripped(line);
    if (item.starts_with("- ")) {
      if (listed != nullptr) listed->push_back(Unquoted(item.substr(2)));
      continue;
    }
    const size_t colon = line.find(':');
    const bool is_key = item.size() == line.size() && !line.starts_with('#') && colon != std::string_view::npos;
    if (!is_key) {
      if (!item.empty()) listed = nullptr;  // of a nested value, which is left out
      continue;
    }
    listed = nullptr;
    auto [entry, is_new] = found.try_emplace(std::string(line.substr(0, colon)), ValuesOn(line.substr(colon + 1)));
    if (is_new && entry->second.empty()) listed = &entry->second;
  }
  return {};
}

std::string YamlText(std::string_view text) {
  if (IsPlainText(text)) return std::string(text);
  // JSON is YAML; what is no UTF-8 becomes a replacement character.
  return Json(text.substr(0, kLongestValue)).dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::string FrontMatterLines(std::string_view key, const std::vector<std::string>& values) {
  if (values.empty()) return "";
  if (values.size() == 1) return absl::StrCat(key, ": ", YamlText(values.front()), "\n");
  std::string lines = absl::StrCat(key, ":\n");
  for (const std::string& value : values) absl::StrAppend(&lines, "- ", YamlText(value), "\n");
  return lines;
}

}  // namespace lwq::reporting
