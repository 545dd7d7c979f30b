// SPDX-License-Identifier: Apache-2.0
#include "common/documents/json_records.h"

#include <algorithm>
#include <array>
#include <optional>

#include "common/text/utf8.h"

namespace lwq {
namespace {

constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kLongestLineLookedAt = size_t{64} << 20;

std::string_view WithoutByteOrderMark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

// `text` with every bare NaN, Infinity and -Infinity as null; nullopt where there is none.
std::optional<std::string> NotANumberAsNull(std::string_view text) {
  constexpr std::array<std::string_view, 3> kWords = {"NaN", "Infinity", "-Infinity"};
  std::string out;
  bool found = false;
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const auto word = in_string ? kWords.end()
                                : std::find_if(kWords.begin(), kWords.end(),
                                               [&](std::string_view candidate) { return rest.starts_with(candidate); });
    if (word != kWords.end()) {
      out.append("null");
      i += word->size();
      found = true;
      continue;
    }
    const size_t size = in_string && text[i] == '\\' && i + 1 < text.size() ? 2 : 1;  // an escape is taken whole
    if (text[i] == '"') in_string = !in_string;
    out.append(text.substr(i, size));
    i += size;
  }
  return found ? std::optional(std::move(out)) : std::nullopt;
}

StatusOr<Json> ParseLeniently(std::string_view text, std::string_view what) {
  StatusOr<Json> parsed = ParseJson(text, what);
  if (parsed.ok()) return parsed;
  const std::optional<std::string> repaired = NotANumberAsNull(text);
  if (!repaired.has_value()) return parsed;
  return ParseJson(*repaired, what);
}

StatusOr<std::string> TextOfRecord(const Json& record, std::string_view what) {
  if (record.is_string()) return record.get<std::string>();
  if (!record.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(what, " is not a JSON object with a \"text\", nor a string"));
  }
  return JsonString(record, "text", what);
}

auto TextsInto(std::vector<std::string>& documents) {
  return [&documents](const Json& record, std::string_view what) -> Status {
    LWQ_ASSIGN_OR_RETURN(std::string document, TextOfRecord(record, what));
    documents.push_back(std::move(document));
    return absl::OkStatus();
  };
}

Status CheckUtf8(std::string_view text, std::string_view what, std::string_view of) {
  const size_t bad = FindInvalidUtf8(text);
  if (bad == std::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " is not UTF-8 at byte ", bad, of));
}

}  // namespace

Status ForEachJsonLine(std::string_view name, std::string_view text, KeepGoing keep_going, TakeRecord take) {
  text = WithoutByteOrderMark(text);
  for (int64_t line_number = 1; !text.empty(); ++line_number) {
    LWQ_RETURN_IF_ERROR(keep_going());
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(kBlank) == std::string_view::npos) continue;
    const std::string what = absl::StrCat(name, " line ", line_number);
    LWQ_RETURN_IF_ERROR(CheckUtf8(line, what, " of the line"));
    LWQ_ASSIGN_OR_RETURN(const Json record, ParseLeniently(line, what));
    LWQ_RETURN_IF_ERROR(take(record, what));
  }
  return absl::OkStatus();
}

Status ForEachJsonRecord(std::string_view name, std::string_view text, TakeRecord take) {
  LWQ_RETURN_IF_ERROR(CheckUtf8(text, name, "; convert it first"));
  LWQ_ASSIGN_OR_RETURN(const Json file, ParseLeniently(WithoutByteOrderMark(text), name));
  if (!file.is_array()) return take(file, name);
  for (size_t i = 0; i < file.size(); ++i) LWQ_RETURN_IF_ERROR(take(file[i], absl::StrCat(name, " record ", i + 1)));
  return absl::OkStatus();
}

StatusOr<std::vector<std::string>> ReadJsonLines(std::string_view name, std::string_view text, KeepGoing keep_going) {
  std::vector<std::string> documents;
  LWQ_RETURN_IF_ERROR(ForEachJsonLine(name, text, keep_going, TextsInto(documents)));
  return documents;
}

StatusOr<std::vector<std::string>> ReadJsonFile(std::string_view name, std::string_view text) {
  std::vector<std::string> documents;
  LWQ_RETURN_IF_ERROR(ForEachJsonRecord(name, text, TextsInto(documents)));
  return documents;
}

bool BeginsWithJsonObjectLine(std::string_view text) {
  text = WithoutByteOrderMark(text);
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  if (!text.starts_with('{')) return false;
  const StatusOr<Json> line = ParseLeniently(text.substr(0, std::min(text.find('\n'), kLongestLineLookedAt)), "");
  return line.ok() && line->is_object();
}

bool IsJsonArrayOfRecords(std::string_view text) {
  text = WithoutByteOrderMark(text);
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  const size_t last = text.find_last_not_of(kBlank);
  if (!text.starts_with('[') || text[last] != ']') return false;
  const StatusOr<Json> array = ParseLeniently(text, "");
  return array.ok() && array->is_array() && !array->empty() &&
         std::all_of(array->begin(), array->end(), [](const Json& e) { return e.is_object() || e.is_string(); });
}

}  // namespace lwq
