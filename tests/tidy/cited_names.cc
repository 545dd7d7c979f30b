// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/cited_names.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <optional>
#include <regex>

namespace lwq::tidy {
namespace {

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

std::vector<std::string> SplitLines(const std::string& content) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < content.size()) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    lines.push_back(content.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// The comment of a line, or nothing: what follows `mark` where that is the line's first character or stands behind a
// space, outside of double quotes. A raw string that holds both a quote and a mark is taken for a comment; none does.
std::optional<std::string> CommentOf(const std::string& line, std::string_view mark) {
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && (i == 0 || line[i - 1] == ' ') && line.compare(i, mark.size(), mark) == 0) {
      return line.substr(i + mark.size());
    }
  }
  return std::nullopt;
}

enum class Kind { kNone, kSlashes, kHashes, kPython, kMarkdown };

Kind KindOf(const std::string& path, const std::string& content) {
  const std::filesystem::path file(path);
  const std::string extension = file.extension().string();
  if (extension == ".h" || extension == ".cc" || extension == ".proto") return Kind::kSlashes;
  if (extension == ".md") return Kind::kMarkdown;
  if (extension == ".py") return Kind::kPython;
  if (extension == ".cmake" || extension == ".yaml" || file.filename() == "CMakeLists.txt") return Kind::kHashes;
  if (!StartsWith(content, "#!")) return Kind::kNone;
  return content.substr(0, content.find('\n')).find("python") != std::string::npos ? Kind::kPython : Kind::kHashes;
}

// Collects lines of prose; those that follow each other are one block.
class Blocks {
 public:
  explicit Blocks(const std::string& path) : path_(path) {}
  void Add(int line, const std::string& text) {
    if (blocks_.empty() || line != last_line_ + 1) {
      blocks_.push_back({path_, line, text});
    } else {
      blocks_.back().text += "\n" + text;
    }
    last_line_ = line;
  }
  std::vector<Prose> Take() { return std::move(blocks_); }

 private:
  std::string path_;
  int last_line_ = -1;
  std::vector<Prose> blocks_;
};

bool IsWordCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '/' || c == '-' || c == '*' ||
         c == '+';
}

std::string At(const Prose& prose, size_t offset) {
  const auto line_breaks = std::count(prose.text.begin(), prose.text.begin() + static_cast<long>(offset), '\n');
  return prose.path + ":" + std::to_string(prose.line + line_breaks) + ": ";
}

// As GitHub makes an anchor of a heading: lower case, spaces to "-", letters, digits, "-" and "_" only.
std::string AnchorOf(const std::string& heading) {
  std::string anchor;
  for (const char c : heading) {
    const auto byte = static_cast<unsigned char>(c);
    const bool stays = std::isalnum(byte) != 0 || c == '-' || c == '_' || byte >= 0x80;
    if (stays) anchor += static_cast<char>(std::tolower(byte));
    if (c == ' ') anchor += '-';
  }
  return anchor;
}

bool Matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() != '*') {
    return !text.empty() && pattern.front() == text.front() && Matches(pattern.substr(1), text.substr(1));
  }
  for (size_t taken = 0;; ++taken) {
    if (Matches(pattern.substr(1), text.substr(taken))) return true;
    if (taken == text.size() || text[taken] == '/') return false;
  }
}

// A path that stands on a page, from the root.
std::string BesidePage(const std::string& page, const std::string& path) {
  return (std::filesystem::path(page).parent_path() / path).lexically_normal().generic_string();
}

bool LeadsFromTheRoot(const std::string& word, const NamedFiles& files) {
  const size_t slash = word.find('/');
  return slash != std::string::npos && files.IsTopFolder(word.substr(0, slash));
}

bool LeadsFromThePage(const Prose& prose, const std::string& word, const NamedFiles& files) {
  const size_t slash = word.find('/');
  if (!EndsWith(prose.path, ".md") || slash == std::string::npos) return false;
  return StartsWith(word, "../") || (slash > 0 && files.HasPath(BesidePage(prose.path, word.substr(0, slash))));
}

// Of an export, not of this repository (reporting/model_card.h).
constexpr std::string_view kBaseCardFile = "BASE_MODEL_README.md";

void CheckWord(const Prose& prose, size_t offset, std::string word, const NamedFiles& files,
               std::vector<std::string>& problems) {
  while (!word.empty() && (word.back() == '.' || word.back() == '-' || word.back() == '*')) {
    if (word.back() == '*' && word.size() > 1 && word[word.size() - 2] == '/') break;
    word.pop_back();
  }
  if (word.empty() || word.front() == '/') return;
  if (LeadsFromTheRoot(word, files) || LeadsFromThePage(prose, word, files)) {
    if (files.HasPath(word) || files.HasPath(BesidePage(prose.path, word))) return;
    problems.push_back(At(prose, offset) + "names " + word + ", which is no file or folder: name what is there now");
    return;
  }
  bool is_file = false;
  for (const char* extension : {".h", ".cc", ".proto", ".md"}) is_file = is_file || EndsWith(word, extension);
  if (!is_file || word.front() == '.' || word == kBaseCardFile || files.HasFileThatEndsIn(word)) return;
  problems.push_back(At(prose, offset) + "names " + word +
                     ", and no file is called that: name the file that has it now; a file of another project stands in "
                     "angle brackets, <" +
                     word + ">");
}

void CheckWords(const Prose& prose, const NamedFiles& files, std::vector<std::string>& problems) {
  const std::string& text = prose.text;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin;
    while (end < text.size() && IsWordCharacter(text[end])) ++end;
    const bool bracketed = begin > 0 && text[begin - 1] == '<' && end < text.size() && text[end] == '>';
    const bool of_address = begin > 0 && text[begin - 1] == ':';  // "https:" and its like
    if (end > begin && !bracketed && !of_address) {
      CheckWord(prose, begin, text.substr(begin, end - begin), files, problems);
    }
    begin = end + 1;
  }
}

void CheckLinks(const Prose& page, const NamedFiles& files, std::vector<std::string>& problems) {
  static const std::regex kLink(R"(\]\(([^)\s]+)\))");
  for (std::sregex_iterator it(page.text.begin(), page.text.end(), kLink), end; it != end; ++it) {
    const std::string link = (*it)[1];
    if (link.find(':') != std::string::npos) continue;
    const std::string place = At(page, static_cast<size_t>(it->position()));
    const size_t hash = std::min(link.find('#'), link.size());
    const std::string target = hash == 0 ? page.path : BesidePage(page.path, link.substr(0, hash));
    if (!files.HasPath(target)) {
      problems.push_back(place + "links to " + link + ", and " + target + " does not exist: link what is there now");
      continue;
    }
    if (hash == link.size()) continue;
    const auto& headings = files.HeadingsOf(target);
    if (std::none_of(headings.begin(), headings.end(),
                     [&](const std::string& heading) { return AnchorOf(heading) == link.substr(hash + 1); })) {
      problems.push_back(place + "links to " + link + ", and " + target + " has no such heading: link one it has");
    }
  }
}

void CheckQuotedHeadings(const Prose& prose, const NamedFiles& files, std::vector<std::string>& problems) {
  static const std::regex kQuoted(R"rx(([A-Za-z0-9_/]+\.md),\s+"([^"]+)")rx");
  for (std::sregex_iterator it(prose.text.begin(), prose.text.end(), kQuoted), end; it != end; ++it) {
    const std::string page = (*it)[1];
    const std::string heading = std::regex_replace((*it)[2].str(), std::regex("\\s+"), " ");
    if (!files.HasPath(page) || files.HeadingsOf(page).contains(heading)) continue;  // CheckWords tells of the page
    problems.push_back(At(prose, static_cast<size_t>(it->position())) + "quotes \"" + heading + "\", and " + page +
                       " has no such heading: quote one it has");
  }
}

void CheckOutsideTexts(const Prose& prose, std::vector<std::string>& problems) {
  struct Citation {
    std::regex pattern;
    const char* instead;
  };
  static const std::vector<Citation> kCitations = {
      {std::regex("\\bSPEC\\b"), "docs/spec.md and a heading of it"},
      {std::regex("\\bDESIGN\\b"), "docs/architecture.md and a heading of it"},
      {std::regex("\\b[Ss]eeds? 00[0-9]|\\bthe seeds'"), "the proposal by its name in docs/policies.md"},
      {std::regex("\\breference/"), "the file in tests/numerics/golden, or the program that made the numbers"},
  };
  for (const Citation& citation : kCitations) {
    std::smatch match;
    if (!std::regex_search(prose.text, match, citation.pattern)) continue;
    problems.push_back(At(prose, static_cast<size_t>(match.position())) + "cites \"" + match.str() +
                       "\", a text that is not in this repository: cite " + citation.instead);
  }
}

}  // namespace

std::vector<Prose> ProseOf(const std::string& path, const std::string& content) {
  const Kind kind = KindOf(path, content);
  if (kind == Kind::kNone) return {};
  if (kind == Kind::kMarkdown) return {{path, 1, content}};
  Blocks blocks(path);
  bool in_doc_string = false;
  int number = 0;
  for (const std::string& line : SplitLines(content)) {
    ++number;
    size_t quotes = 0;
    for (size_t at = 0; kind == Kind::kPython && (at = line.find("\"\"\"", at)) != std::string::npos; at += 3) ++quotes;
    if (in_doc_string || quotes > 0) {
      blocks.Add(number, line);
    } else if (const auto comment = CommentOf(line, kind == Kind::kSlashes ? "//" : "#")) {
      blocks.Add(number, *comment);
    }
    if (quotes % 2 == 1) in_doc_string = !in_doc_string;
  }
  return blocks.Take();
}

void NamedFiles::Add(const std::string& path, const std::string& content) {
  paths_.insert(path);
  const std::filesystem::path file(path);
  files_by_name_[file.filename().string()].push_back(path);
  for (auto folder = file.parent_path(); !folder.empty(); folder = folder.parent_path()) {
    paths_.insert(folder.generic_string());
  }
  if (file.extension() != ".md") return;
  std::set<std::string>& headings = headings_[path];
  bool fenced = false;
  for (const std::string& line : SplitLines(content)) {
    if (StartsWith(line, "```")) fenced = !fenced;
    const size_t marks = std::min(line.find_first_not_of('#'), line.size());
    if (!fenced && marks > 0 && marks < line.size() && line[marks] == ' ') {
      std::string heading = line.substr(marks + 1);
      heading.erase(std::remove(heading.begin(), heading.end(), '`'), heading.end());
      headings.insert(heading);
    }
  }
}

bool NamedFiles::HasPath(const std::string& path) const {
  const std::string trimmed = EndsWith(path, "/") ? path.substr(0, path.size() - 1) : path;
  if (trimmed.find('*') == std::string::npos) return trimmed.empty() || trimmed == "." || paths_.contains(trimmed);
  return std::any_of(paths_.begin(), paths_.end(), [&](const std::string& known) { return Matches(trimmed, known); });
}

bool NamedFiles::HasFileThatEndsIn(const std::string& name) const {
  const auto same_name = files_by_name_.find(std::filesystem::path(name).filename().string());
  if (same_name == files_by_name_.end()) return false;
  return std::any_of(same_name->second.begin(), same_name->second.end(),
                     [&](const std::string& path) { return path == name || EndsWith(path, "/" + name); });
}

bool NamedFiles::IsTopFolder(std::string_view name) const {
  const auto first = paths_.lower_bound(std::string(name) + "/");
  return first != paths_.end() && StartsWith(*first, std::string(name) + "/");
}

const std::set<std::string>& NamedFiles::HeadingsOf(const std::string& path) const {
  static const std::set<std::string> kNone;
  const auto found = headings_.find(path);
  return found == headings_.end() ? kNone : found->second;
}

std::vector<std::string> ProblemsOf(const Prose& prose, const NamedFiles& files) {
  std::vector<std::string> problems;
  CheckWords(prose, files, problems);
  CheckQuotedHeadings(prose, files, problems);
  CheckOutsideTexts(prose, problems);
  if (EndsWith(prose.path, ".md")) CheckLinks(prose, files, problems);
  return problems;
}

}  // namespace lwq::tidy
