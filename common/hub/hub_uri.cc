// SPDX-License-Identifier: Apache-2.0
#include "common/hub/hub_uri.h"

#include <algorithm>

#include "common/http/percent.h"
#include "common/text/hex.h"
#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr size_t kMaxIdBytes = 96;
constexpr size_t kMaxRevisionBytes = 200;
constexpr size_t kMaxRepoPathBytes = 1000;
constexpr std::string_view kDatasets = "datasets/";

Status BadHubUri(std::string_view uri, std::string_view how) {
  return absl::InvalidArgumentError(
      absl::StrCat(OneLine(uri, 200), ": ", how,
                   "; write hf://ORG/NAME or hf://ORG/NAME@REVISION, and of a data set hf://datasets/ORG/NAME/FILE"));
}

bool IsIdCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

// Segments between '/', none of which is empty, "." or "..".
bool StaysBelow(std::string_view path) {
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment.empty() || segment == "." || segment == "..") return false;
    begin = end + 1;
  }
  return true;
}

bool IsPlain(std::string_view text, size_t max_bytes) {
  return !text.empty() && text.size() <= max_bytes && text.find('\\') == std::string_view::npos &&
         OneLine(text, text.size()) == text;
}

// "hf://datasets/ORG/NAME@REVISION/PATH" without what it begins with.
StatusOr<HubUri> ParseDatasetUri(std::string_view uri, std::string_view rest) {
  HubUri parsed;
  parsed.repo.kind = HubRepo::Kind::kDataset;
  const size_t name = rest.find('/');
  const size_t path = name == std::string_view::npos ? name : rest.find('/', name + 1);
  if (path == std::string_view::npos || path + 1 == rest.size()) return BadHubUri(uri, "names no file of a data set");
  std::string_view repo = rest.substr(0, path);
  if (const size_t at = repo.find('@'); at != std::string_view::npos) {
    const StatusOr<std::string> revision = PercentDecode(repo.substr(at + 1));
    if (!revision.ok()) return BadHubUri(uri, MessageOf(revision.status()));
    parsed.revision = *revision;
    repo = repo.substr(0, at);
  }
  parsed.repo.id = std::string(repo);
  parsed.path = std::string(rest.substr(path + 1));
  return parsed;
}

}  // namespace

std::string HubRepo::FolderName() const {
  std::string folder(kind == Kind::kModel ? "models" : "datasets");
  for (size_t begin = 0; begin <= id.size();) {
    const size_t end = std::min(id.find('/', begin), id.size());
    absl::StrAppend(&folder, "--", std::string_view(id).substr(begin, end - begin));
    begin = end + 1;
  }
  return folder;
}

std::string HubRepo::ApiPath() const {
  return absl::StrCat("/api/", kind == Kind::kModel ? "models/" : "datasets/", id);
}

std::string HubRepo::WebPath() const {
  return absl::StrCat(kind == Kind::kModel ? "/" : "/datasets/", id);
}

std::string HubRepo::Describe() const {
  return absl::StrCat(kind == Kind::kModel ? "model " : "data set ", id);
}

Status CheckRepoId(std::string_view id) {
  const auto bad = [&](std::string_view how) {
    return absl::InvalidArgumentError(absl::StrCat("\"", OneLine(id, 120), "\" ", how));
  };
  if (id.empty() || id.size() > kMaxIdBytes) return bad("is no repository: a name has 1 to 96 characters");
  if (std::count(id.begin(), id.end(), '/') > 1) return bad("names more than an organisation and a repository");
  if (!std::all_of(id.begin(), id.end(), [](char c) { return IsIdCharacter(c) || c == '/'; })) {
    return bad("is no repository: names have letters, digits, '-', '_' and '.'");
  }
  if (id.find("--") != std::string_view::npos || id.find("..") != std::string_view::npos || id.ends_with(".git")) {
    return bad("is no repository: names have no \"--\", no \"..\" and no \".git\" at the end");
  }
  const size_t slash = id.find('/');
  for (const std::string_view part :
       {id.substr(0, slash), slash == std::string_view::npos ? id : id.substr(slash + 1)}) {
    if (part.empty() || part.front() == '-' || part.front() == '.' || part.back() == '-' || part.back() == '.') {
      return bad("is no repository: a name neither begins nor ends with '-' or '.', and is not empty");
    }
  }
  return absl::OkStatus();
}

Status CheckRevision(std::string_view revision) {
  if (IsPlain(revision, kMaxRevisionBytes) && StaysBelow(revision)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", OneLine(revision, 120), "\" is no revision; give a branch, a tag or a commit"));
}

Status CheckRepoPath(std::string_view path) {
  if (IsPlain(path, kMaxRepoPathBytes) && StaysBelow(path)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", OneLine(path, 120), "\" is no path of a file below a repository"));
}

bool IsCommit(std::string_view revision) {
  return revision.size() == 40 && IsLowerHex(revision);
}

StatusOr<HubUri> ParseHubUri(std::string_view uri) {
  if (!uri.starts_with(kHubScheme)) return BadHubUri(uri, "does not begin with hf://");
  const std::string_view rest = uri.substr(kHubScheme.size());
  HubUri parsed;
  if (rest.starts_with(kDatasets)) {
    LWQ_ASSIGN_OR_RETURN(parsed, ParseDatasetUri(uri, rest.substr(kDatasets.size())));
    if (const Status path = CheckRepoPath(parsed.path); !path.ok()) return BadHubUri(uri, MessageOf(path));
  } else {
    const size_t at = rest.find('@');
    parsed.repo.id = std::string(rest.substr(0, at));
    if (at != std::string_view::npos) {
      const StatusOr<std::string> revision = PercentDecode(rest.substr(at + 1));
      if (!revision.ok()) return BadHubUri(uri, MessageOf(revision.status()));
      parsed.revision = *revision;
    }
  }
  for (const Status& part : {CheckRepoId(parsed.repo.id), CheckRevision(parsed.revision)}) {
    if (!part.ok()) return BadHubUri(uri, MessageOf(part));
  }
  return parsed;
}

}  // namespace lwq
