#include "client/upload/text_file.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "client/upload/model_files.h"
#include "common/bytes/bytes.h"
#include "common/json/json.h"

namespace lwq {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 4> kNamedDatasets = {"wikitext2", "ptb", "c4", "redpajama"};

Status CheckGzip(std::string_view what, const std::string& path, std::string_view bytes) {
  if (bytes.starts_with("\x1f\x8b")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": ", path, " is not gzip, as its name says; compress it or rename it to .jsonl"));
}

// The first record must be an object with a text; the reader of the worker checks the others.
Status CheckJsonLines(std::string_view what, const std::string& path, std::string_view bytes) {
  size_t begin = 0;
  while (begin < bytes.size() && (bytes[begin] == '\n' || bytes[begin] == '\r' || bytes[begin] == ' ')) ++begin;
  const std::string_view line = bytes.substr(begin, bytes.substr(begin).find('\n'));
  const auto record = ParseJson(line, path);
  const bool good = record.ok() && record->is_object() && record->contains("text") && (*record)["text"].is_string();
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": ", path, ": the first line is not a JSON object with a \"text\""));
}

Status CheckPlain(std::string_view what, const std::string& path, std::string_view bytes) {
  constexpr size_t kLookedAt = 1 << 16;
  if (bytes.substr(0, kLookedAt).find('\0') == std::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": ", path, " is not a text; give plain text, .jsonl or .json.gz"));
}

}  // namespace

StatusOr<std::map<std::string, std::string>> InspectText(std::string_view what, const std::string& path) {
  LWQ_RETURN_IF_ERROR(RefuseRemotePath(what, path, "text file"));
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  const std::string name = fs::path(path).filename().string();
  if (!fs::exists(status)) {
    if (std::find(kNamedDatasets.begin(), kNamedDatasets.end(), name) != kNamedDatasets.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, ": data sets by name (", name, ") are not supported yet; give a text file"));
    }
    return absl::NotFoundError(absl::StrCat(what, ": no such file: ", path));
  }
  if (!fs::is_regular_file(status)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": ", path, " is not a file; give plain text, .jsonl or .json.gz"));
  }
  if (fs::file_size(path, error) == 0 || error)
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", path, " is empty"));
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Bytes::MapFile(path));
  if (name.ends_with(".gz")) {
    if (!name.ends_with(".json.gz") && !name.ends_with(".jsonl.gz")) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, ": ", path, ": compressed texts are .json.gz; decompress it"));
    }
    LWQ_RETURN_IF_ERROR(CheckGzip(what, path, bytes.view()));
    return std::map<std::string, std::string>{{"text.json.gz", path}};
  }
  if (name.ends_with(".jsonl")) {
    LWQ_RETURN_IF_ERROR(CheckJsonLines(what, path, bytes.view()));
    return std::map<std::string, std::string>{{"text.jsonl", path}};
  }
  LWQ_RETURN_IF_ERROR(CheckPlain(what, path, bytes.view()));
  return std::map<std::string, std::string>{{"text.txt", path}};
}

}  // namespace lwq
