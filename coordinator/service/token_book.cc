// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/token_book.h"

#include <algorithm>

#include "common/file/small_file.h"
#include "spdlog/spdlog.h"

namespace lwq::coordinator {

StatusOr<std::unique_ptr<TokenBook>> TokenBook::Open(const std::string& path, std::chrono::milliseconds interval) {
  std::unique_ptr<TokenBook> book(new TokenBook(path, interval));
  const std::optional<FileIdentity> identity = IdentityOfFile(path);
  LWQ_ASSIGN_OR_RETURN(TokenFile file, Read(path));
  const MutexLock lock(&book->mutex_);
  book->file_ = std::make_shared<const TokenFile>(std::move(file));
  book->identity_ = identity;
  book->looked_ = std::chrono::steady_clock::now();
  return book;
}

StatusOr<TokenFile> TokenBook::Read(const std::string& path) {
  const StatusOr<std::string> text = ReadSmallFile(path);
  if (!text.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the tokens: ", MessageOf(text.status()), "; make them with lwq token create --tokens ", path));
  }
  const StatusOr<TokenFile> file = ParseTokenFile(*text, path);
  if (file.ok()) return file;
  return absl::FailedPreconditionError(file.status().message());
}

std::shared_ptr<const TokenFile> TokenBook::Current() {
  const MutexLock lock(&mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < interval_) return file_;
  looked_ = now;
  const std::optional<FileIdentity> identity = IdentityOfFile(path_);
  if (identity == identity_) return file_;
  identity_ = identity;
  StatusOr<TokenFile> file = Read(path_);
  if (file.ok()) {
    spdlog::info("tokens read again file={} tokens={}", path_, file->tokens.size());
    file_ = std::make_shared<const TokenFile>(*std::move(file));
  } else {
    spdlog::error("the tokens read last stay valid: {}", MessageOf(file.status()));
  }
  return file_;
}

StatusOr<TokenRecord> TokenBook::Find(std::string_view token, int64_t now_unix_s) {
  const std::shared_ptr<const TokenFile> file = Current();
  const TokenRecord* found = FindToken(*file, token);
  if (found == nullptr) {
    return absl::UnauthenticatedError("the token is not one of this coordinator: it was revoked, or is another's");
  }
  if (HasExpired(*found, now_unix_s)) {
    return absl::UnauthenticatedError(absl::StrCat("token '", found->name, "' has expired on ",
                                                   UtcText(*found->expires_unix_s), ": ask for a new one"));
  }
  return *found;
}

Status TokenBook::StillValid(const Digest& sha256, int64_t now_unix_s) {
  const std::shared_ptr<const TokenFile> file = Current();
  const auto found = std::find_if(file->tokens.begin(), file->tokens.end(),
                                  [&](const TokenRecord& token) { return token.sha256 == sha256; });
  if (found == file->tokens.end()) return absl::UnauthenticatedError("the token was revoked");
  if (!HasExpired(*found, now_unix_s)) return absl::OkStatus();
  return absl::UnauthenticatedError(absl::StrCat("token '", found->name, "' has expired"));
}

}  // namespace lwq::coordinator
