// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/store_checks.h"

#include "common/object_store/object_store.h"

namespace lwq {
namespace {

constexpr size_t kMaxKeyBytes = 512;
constexpr size_t kMaxSegmentBytes = 200;

bool IsKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '=' || c == '/' || c == '-';
}

bool OnlyKeyCharacters(std::string_view text) {
  for (const char c : text) {
    if (!IsKeyCharacter(c)) return false;
  }
  return true;
}

// A key in a message: printable and short whatever it holds.
std::string Quoted(std::string_view key) {
  std::string text = "'";
  for (const char c : key.substr(0, 80)) text.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  absl::StrAppend(&text, key.size() > 80 ? "…'" : "'");
  return text;
}

Status BadKey(std::string_view key, std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat("object key ", Quoted(key), " ", reason));
}

}  // namespace

Status ValidateObjectKey(std::string_view key) {
  if (key.empty()) return BadKey(key, "is empty");
  if (key.size() > kMaxKeyBytes) return BadKey(key, absl::StrCat("is longer than ", kMaxKeyBytes, " bytes"));
  if (!OnlyKeyCharacters(key)) return BadKey(key, "may hold only A-Z a-z 0-9 . _ = - and /");
  size_t begin = 0;
  while (begin <= key.size()) {
    const size_t end = std::min(key.find('/', begin), key.size());
    const std::string_view segment = key.substr(begin, end - begin);
    if (segment.empty()) return BadKey(key, "has an empty segment (a '/' at an end, or two in a row)");
    if (segment == "." || segment == "..") return BadKey(key, "has a '.' or '..' segment");
    if (segment.size() > kMaxSegmentBytes) {
      return BadKey(key, absl::StrCat("has a segment longer than ", kMaxSegmentBytes, " bytes"));
    }
    begin = end + 1;
  }
  return absl::OkStatus();
}

Status ValidateListArguments(std::string_view prefix, std::string_view start_after, int limit) {
  if (limit < 1 || limit > kMaxListLimit) {
    return absl::InvalidArgumentError(absl::StrCat("list limit ", limit, " is not within 1 to ", kMaxListLimit));
  }
  for (const std::string_view text : {prefix, start_after}) {
    if (text.size() > kMaxKeyBytes || !OnlyKeyCharacters(text)) {
      return absl::InvalidArgumentError(absl::StrCat("no object key can begin with ", Quoted(text)));
    }
  }
  return absl::OkStatus();
}

Status ValidateRange(std::string_view key, int64_t offset, int64_t length, int64_t size_bytes) {
  if (offset >= 0 && length >= 0 && offset <= size_bytes && length <= size_bytes - offset) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("range of ", length, " bytes at ", offset, " is outside object '", key,
                                            "' of ", size_bytes, " bytes"));
}

Status ObjectNotFound(std::string_view key, std::string_view store) {
  return absl::NotFoundError(absl::StrCat("object '", key, "' is not in ", store));
}

Status ObjectExists(std::string_view key, std::string_view store) {
  return absl::AlreadyExistsError(absl::StrCat("object '", key, "' already exists in ", store));
}

}  // namespace lwq
