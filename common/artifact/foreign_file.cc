// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/foreign_file.h"

#include <algorithm>

#include "common/status/status.h"

namespace lwq {
namespace {

constexpr std::string_view kDownloadAgain = "download it again (hf download, or git lfs pull)";

// Answers of the Hub in place of a file, and what begins like JSON: no JSON text is a file of tensors.
bool IsServersAnswer(std::string_view lower) {
  for (const std::string_view text :
       {"<!doctype", "<html", "<?xml", "{", "entry not found", "repository not found", "invalid username or password",
        "access to model", "access denied", "not found", "404", "unauthorized", "forbidden"}) {
    if (lower.starts_with(text)) return true;
  }
  return false;
}

}  // namespace

std::string ForeignContent(std::string_view beginning) {
  if (beginning.starts_with("version https://git-lfs.github.com/")) {
    return "is a pointer of Git LFS, not the file itself: run 'git lfs pull' in the model's folder";
  }
  if (beginning.starts_with("PK\x03\x04")) {
    return "is a zip archive, as torch.save writes: convert the weights to safetensors";
  }
  if (beginning.starts_with("\x80\x02") || beginning.starts_with("\x80\x04") || beginning.starts_with("\x80\x05")) {
    return "is a Python pickle: convert the weights to safetensors";
  }
  if (beginning.starts_with("GGUF")) return "is a GGUF file: give the safetensors it was made from";
  if (beginning.starts_with("\x1f\x8b")) return "is a gzip archive: unpack it";
  const std::string_view text = beginning.substr(std::min(beginning.size(), beginning.find_first_not_of(" \t\r\n")));
  std::string lower(text.substr(0, 64));
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (IsServersAnswer(lower)) {
    const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
    return absl::StrCat("is text that a server sent instead of the file (\"", line.substr(0, 60),
                        "\"): ", kDownloadAgain);
  }
  return "";
}

}  // namespace lwq
