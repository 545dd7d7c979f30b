#include "common/documents/documents.h"

#include <array>

#include "common/documents/gzip.h"
#include "common/json/json.h"
#include "common/text/utf8.h"

namespace lwq {
namespace {

struct BinaryFormat {
  std::string_view magic;
  std::string_view name;
};
constexpr std::array<BinaryFormat, 7> kBinaryFormats = {{
    {"\x1F\x8B", "gzip (its name must then end in .gz)"},
    {"PAR1", "Parquet"},
    {"ARROW1", "Arrow"},
    {"PK\x03\x04", "zip"},
    {"\x28\xB5\x2F\xFD", "Zstandard"},
    {"BZh", "bzip2"},
    {"\xFD"
     "7zXZ",
     "xz"},
}};

Status CheckIsText(std::string_view name, std::string_view text) {
  for (const BinaryFormat& format : kBinaryFormats) {
    if (text.starts_with(format.magic) && FindInvalidUtf8(text.substr(0, 4096)) != std::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " looks like ", format.name, ", not text; give plain text, .jsonl or .json.gz"));
    }
  }
  return absl::OkStatus();
}

StatusOr<std::vector<std::string>> JsonLines(std::string_view name, std::string_view text, KeepGoing keep_going) {
  std::vector<std::string> documents;
  for (int64_t line_number = 1; !text.empty(); ++line_number) {
    LWQ_RETURN_IF_ERROR(keep_going());
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string what = absl::StrCat(name, " line ", line_number);
    const size_t bad = FindInvalidUtf8(line);
    if (bad != std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(what, " is not UTF-8 at byte ", bad, " of the line"));
    }
    LWQ_ASSIGN_OR_RETURN(const Json object, ParseJson(line, what));
    LWQ_ASSIGN_OR_RETURN(std::string document, JsonString(object, "text", what));
    documents.push_back(std::move(document));
  }
  if (documents.empty()) return absl::InvalidArgumentError(absl::StrCat(name, " holds no document"));
  return documents;
}

StatusOr<std::vector<std::string>> PlainText(std::string_view name, std::string_view text) {
  LWQ_RETURN_IF_ERROR(CheckIsText(name, text));
  const size_t bad = FindInvalidUtf8(text);
  if (bad != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is not UTF-8 at byte ", bad, "; convert it first"));
  }
  if (text.empty()) return absl::InvalidArgumentError(absl::StrCat(name, " is empty"));
  return std::vector<std::string>{std::string(text)};
}

}  // namespace

StatusOr<std::vector<std::string>> ReadDocuments(std::string_view name, std::string_view contents,
                                                 int64_t max_unpacked_bytes, KeepGoing keep_going) {
  std::string unpacked;
  std::string_view base = name;
  if (base.ends_with(".gz")) {
    base.remove_suffix(3);
    LWQ_ASSIGN_OR_RETURN(unpacked, Gunzip(contents, max_unpacked_bytes, name, keep_going));
    contents = unpacked;
  }
  if (base.ends_with(".jsonl") || base.ends_with(".json")) return JsonLines(name, contents, keep_going);
  return PlainText(name, contents);
}

}  // namespace lwq
