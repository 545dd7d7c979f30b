// SPDX-License-Identifier: Apache-2.0
#include "common/documents/documents.h"

#include <array>

#include "absl/strings/ascii.h"
#include "common/documents/gzip.h"
#include "common/documents/json_records.h"
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
      return absl::InvalidArgumentError(absl::StrCat(
          name, " looks like ", format.name, ", not text; give plain text, .json, .jsonl or either of them as .gz"));
    }
  }
  return absl::OkStatus();
}

StatusOr<std::vector<std::string>> PlainText(std::string_view name, std::string_view text) {
  const size_t bad = FindInvalidUtf8(text);
  if (bad != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is not UTF-8 at byte ", bad, "; convert it first"));
  }
  if (text.empty()) return absl::InvalidArgumentError(absl::StrCat(name, " is empty"));
  return std::vector<std::string>{std::string(text)};
}

// JSON lines, or one value as a whole: an array, or a record over several lines.
StatusOr<std::vector<std::string>> ReadJson(std::string_view name, std::string_view text, bool only_lines,
                                            KeepGoing keep_going) {
  const size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const bool array = first != std::string_view::npos && text[first] == '[';
  const bool lines = only_lines || (!array && (first == std::string_view::npos || text[first] != '{' ||
                                               BeginsWithJsonObjectLine(text) || !ReadJsonFile(name, text).ok()));
  LWQ_ASSIGN_OR_RETURN(std::vector<std::string> documents,
                       lines ? ReadJsonLines(name, text, keep_going) : ReadJsonFile(name, text));
  if (documents.empty()) return absl::InvalidArgumentError(absl::StrCat(name, " holds no document"));
  return documents;
}

}  // namespace

TextSuffix TextSuffixOf(std::string_view name) {
  std::string lower = absl::AsciiStrToLower(absl::string_view(name.data(), name.size()));
  TextSuffix suffix;
  suffix.gzip = lower.ends_with(".gz");
  if (suffix.gzip) lower.resize(lower.size() - 3);
  if (lower.ends_with(".json")) suffix.kind = TextSuffix::Kind::kJson;
  if (lower.ends_with(".jsonl") || lower.ends_with(".ndjson")) suffix.kind = TextSuffix::Kind::kJsonLines;
  return suffix;
}

StatusOr<std::vector<std::string>> ReadDocuments(std::string_view name, std::string_view contents,
                                                 int64_t max_unpacked_bytes, KeepGoing keep_going) {
  const TextSuffix suffix = TextSuffixOf(name);
  std::string unpacked;
  if (suffix.gzip) {
    LWQ_ASSIGN_OR_RETURN(unpacked, Gunzip(contents, max_unpacked_bytes, name, keep_going));
    contents = unpacked;
  }
  LWQ_RETURN_IF_ERROR(CheckIsText(name, contents));
  switch (suffix.kind) {
    case TextSuffix::Kind::kJson:
      return ReadJson(name, contents, /*only_lines=*/false, keep_going);
    case TextSuffix::Kind::kJsonLines:
      return ReadJson(name, contents, /*only_lines=*/true, keep_going);
    case TextSuffix::Kind::kOther:
      break;
  }
  if (BeginsWithJsonObjectLine(contents)) return ReadJson(name, contents, /*only_lines=*/true, keep_going);
  if (IsJsonArrayOfRecords(contents)) return ReadJson(name, contents, /*only_lines=*/false, keep_going);
  return PlainText(name, contents);
}

}  // namespace lwq
