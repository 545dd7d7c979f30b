// SPDX-License-Identifier: Apache-2.0
#include "common/hub/hub_answers.h"

#include <algorithm>
#include <charconv>

#include "common/hub/hub_uri.h"
#include "common/json/json.h"
#include "common/text/hex.h"

namespace lwq {
namespace {

Status NotOfTheHub(std::string_view reason) {
  return absl::UnavailableError(absl::StrCat("the server's answer is none of the Hub's: ", reason));
}

bool HasHexDigits(std::string_view text, size_t digits) {
  return text.size() == digits && IsLowerHex(text);
}

// "" where it is absent, or no text.
std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// -1 where it is absent, or no whole number.
int64_t WholeOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return -1;
  return found->is_number_unsigned() && found->get<uint64_t>() > static_cast<uint64_t>(kMaxHubFileBytes)
             ? kMaxHubFileBytes + 1
             : found->get<int64_t>();
}

StatusOr<HubFile> ReadTreeEntry(const Json& entry) {
  HubFile file;
  file.path = TextOf(entry, "path");
  LWQ_RETURN_IF_ERROR(CheckRepoPath(file.path));
  file.size_bytes = WholeOf(entry, "size");
  file.git_sha1 = TextOf(entry, "oid");
  file.etag = file.git_sha1;
  file.xet_hash = TextOf(entry, "xetHash");
  if (const auto lfs = entry.find("lfs"); lfs != entry.end() && lfs->is_object()) {
    file.size_bytes = WholeOf(*lfs, "size");
    file.etag = TextOf(*lfs, "oid");
    if (!HasHexDigits(file.etag, 64)) return NotOfTheHub(absl::StrCat(file.path, " has no SHA-256 in LFS"));
  }
  if (!HasHexDigits(file.git_sha1, 40)) return NotOfTheHub(absl::StrCat(file.path, " has no SHA-1"));
  if (!HasHexDigits(file.xet_hash, 64)) file.xet_hash.clear();
  if (file.size_bytes < 0) return NotOfTheHub(absl::StrCat(file.path, " has no size"));
  if (file.size_bytes > kMaxHubFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path, " is said to have more than ", kMaxHubFileBytes, " bytes"));
  }
  return file;
}

}  // namespace

StatusOr<std::string> ParseCommit(std::string_view json) {
  const StatusOr<Json> answer = ParseJson(json, "revision");
  if (!answer.ok() || !answer->is_object()) return NotOfTheHub("a revision that is no JSON object");
  std::string sha = TextOf(*answer, "sha");
  if (!IsCommit(sha)) return NotOfTheHub("a revision without the SHA-1 of a commit");
  return sha;
}

StatusOr<std::vector<HubFile>> ParseTreePage(std::string_view json) {
  const StatusOr<Json> answer = ParseJson(json, "tree");
  if (!answer.ok() || !answer->is_array()) return NotOfTheHub("a list of files that is no JSON array");
  std::vector<HubFile> files;
  for (const Json& entry : *answer) {
    if (!entry.is_object()) return NotOfTheHub("a list of files with something else in it");
    if (TextOf(entry, "type") != "file") continue;
    LWQ_ASSIGN_OR_RETURN(HubFile file, ReadTreeEntry(entry));
    files.push_back(std::move(file));
  }
  return files;
}

std::string NextPage(std::string_view link) {
  while (!link.empty()) {
    const size_t open = link.find('<');
    const size_t close = link.find('>', open);
    if (open == std::string_view::npos || close == std::string_view::npos) return "";
    const size_t end = std::min(link.find(",<", close), std::min(link.find(", <", close), link.size()));
    const std::string_view parameters = link.substr(close + 1, end - close - 1);
    const bool is_next = parameters.find("rel=\"next\"") != std::string_view::npos ||
                         parameters.find("rel=next") != std::string_view::npos;
    if (is_next) return std::string(link.substr(open + 1, close - open - 1));
    link.remove_prefix(std::min(end + 1, link.size()));
  }
  return "";
}

std::string PlainEtag(std::string_view header) {
  if (header.starts_with("W/")) header.remove_prefix(2);
  if (header.size() >= 2 && header.front() == '"' && header.back() == '"') header = header.substr(1, header.size() - 2);
  return HasHexDigits(header, 40) || HasHexDigits(header, 64) ? std::string(header) : "";
}

HubFileHead ReadFileHead(const HttpHead& head) {
  HubFileHead file;
  file.commit = std::string(head.Header("x-repo-commit"));
  const std::string_view linked = head.Header("x-linked-etag");
  file.etag = PlainEtag(linked.empty() ? head.Header("etag") : linked);
  const std::string_view size = head.Header("x-linked-size");
  if (!size.empty()) {
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), file.size_bytes);
    if (error != std::errc() || end != size.data() + size.size()) file.size_bytes = -1;
  } else if (head.status / 100 == 2) {
    file.size_bytes = head.ContentLength().value_or(-1);
  }
  return file;
}

}  // namespace lwq
