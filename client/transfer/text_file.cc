// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/text_file.h"

#include <filesystem>

#include "common/bytes/bytes.h"
#include "common/documents/documents.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;

// Up to here a text is read as the worker will read it; of larger ones only the start is looked at.
constexpr size_t kReadWhole = size_t{32} << 20;
constexpr size_t kLookedAt = 1 << 16;

// The name in the uploaded tree: the user's own is left out, so that equal texts have equal digests.
std::string NameInTree(const TextSuffix& suffix) {
  std::string name = suffix.kind == TextSuffix::Kind::kJson        ? "text.json"
                     : suffix.kind == TextSuffix::Kind::kJsonLines ? "text.jsonl"
                                                                   : "text.txt";
  return suffix.gzip ? absl::StrCat(name, ".gz") : name;
}

Status CheckContents(const std::string& path, const TextSuffix& suffix, std::string_view bytes) {
  if (bytes.size() <= kReadWhole) return ReadDocuments(path, bytes, kMaxUnpackedTextBytes).status();
  if (suffix.gzip && !bytes.starts_with("\x1f\x8b")) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not gzip, as its name says; compress it or rename it"));
  }
  return absl::OkStatus();
}

Status CheckNoZeroBytes(const std::string& path, const TextSuffix& suffix, std::string_view bytes) {
  if (suffix.gzip || bytes.substr(0, kLookedAt).find('\0') == std::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, " is not a text; give plain text, .jsonl or .json.gz"));
}

}  // namespace

StatusOr<std::map<std::string, std::string>> InspectText(std::string_view what, const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  const std::string name = fs::path(path).filename().string();
  if (!fs::exists(status)) {
    return absl::NotFoundError(absl::StrCat(what, ": no such file: ", path));
  }
  if (!fs::is_regular_file(status)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": ", path, " is not a file; give plain text, .jsonl or .json.gz"));
  }
  if (fs::file_size(path, error) == 0 || error)
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", path, " is empty"));
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Bytes::MapFile(path));
  const TextSuffix suffix = TextSuffixOf(name);
  LWQ_RETURN_IF_ERROR(Annotate(CheckNoZeroBytes(path, suffix, bytes.view()), what));
  LWQ_RETURN_IF_ERROR(Annotate(CheckContents(path, suffix, bytes.view()), what));
  return std::map<std::string, std::string>{{NameInTree(suffix), path}};
}

}  // namespace lwq::client
