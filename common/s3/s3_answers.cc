// SPDX-License-Identifier: Apache-2.0
#include "common/s3/s3_answers.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "common/http/percent.h"
#include "pugixml.hpp"

namespace lwq {
namespace {

bool ParseWhole(std::string_view text, int64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && *value >= 0;
}

Status NotAnAnswer(std::string_view reason) {
  return absl::UnavailableError(absl::StrCat("the server's answer is none that S3 gives: ", reason));
}

void AppendEscaped(char c, std::string* text) {
  switch (c) {
    case '"':
      return absl::StrAppend(text, "&quot;");
    case '&':
      return absl::StrAppend(text, "&amp;");
    case '<':
      return absl::StrAppend(text, "&lt;");
    case '>':
      return absl::StrAppend(text, "&gt;");
    default:
      text->push_back(c);
  }
}

StatusOr<std::string> DecodeKey(std::string_view text, bool is_encoded) {
  if (!is_encoded) return std::string(text);
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return PercentDecode(spaced);
}

}  // namespace

StatusOr<ListedPage> ParseListing(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) return NotAnAnswer("a listing that is not XML");
  const pugi::xml_node root = document.child("ListBucketResult");
  const std::string_view truncated = root.child_value("IsTruncated");
  if (truncated != "true" && truncated != "false") return NotAnAnswer("a listing without IsTruncated");
  const bool is_encoded = std::string_view(root.child_value("EncodingType")) == "url";
  ListedPage page;
  page.truncated = truncated == "true";
  for (const pugi::xml_node node : root.children("Contents")) {
    ListedObject object;
    const StatusOr<std::string> key = DecodeKey(node.child_value("Key"), is_encoded);
    const std::optional<int64_t> modified = ParseIsoTime(node.child_value("LastModified"));
    if (!key.ok() || key->empty() || !ParseWhole(node.child_value("Size"), &object.size_bytes) || !modified) {
      return NotAnAnswer("a listed object without key, size or time");
    }
    object.key = *key;
    object.modified_unix_s = *modified;
    object.etag = node.child_value("ETag");
    page.objects.push_back(std::move(object));
  }
  return page;
}

StatusOr<std::string> ParseUploadId(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) return NotAnAnswer("an upload that is not XML");
  std::string id = document.child("InitiateMultipartUploadResult").child_value("UploadId");
  if (id.empty() || id.size() > 4096) return NotAnAnswer("an upload without an id");
  return id;
}

std::string CompleteBody(const std::vector<std::string>& etags) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (size_t i = 0; i < etags.size(); ++i) {
    absl::StrAppend(&body, "<Part><PartNumber>", i + 1, "</PartNumber><ETag>");
    for (const char c : etags[i]) AppendEscaped(c, &body);
    absl::StrAppend(&body, "</ETag></Part>");
  }
  absl::StrAppend(&body, "</CompleteMultipartUpload>");
  return body;
}

std::optional<int64_t> ParseIsoTime(std::string_view text) {
  struct tm utc {};
  char rest = '\0';
  const int read = std::sscanf(std::string(text).c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%c", &utc.tm_year, &utc.tm_mon,
                               &utc.tm_mday, &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &rest);
  if (read != 7 || (rest != 'Z' && rest != '.')) return std::nullopt;
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  return static_cast<int64_t>(::timegm(&utc));
}

}  // namespace lwq
