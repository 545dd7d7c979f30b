// SPDX-License-Identifier: Apache-2.0
#include "client/token/token_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "common/access/bearer_token.h"
#include "common/file/posix_file.h"
#include "common/file/small_file.h"
#include "common/text/one_line.h"

namespace lwq::client {
namespace {

constexpr mode_t kSecretMode = 0600;

StatusOr<UniqueFd> LockTokens(const std::string& path) {
  const std::string lock_path = path + ".lock";
  UniqueFd lock(::open(lock_path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, kSecretMode));
  if (!lock) return ErrnoStatus(errno, "cannot make the lock", lock_path);
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return ErrnoStatus(errno, "cannot lock", lock_path);
  }
  return lock;
}

}  // namespace

Status WriteSecretFile(const std::string& path, std::string_view text) {
  std::string staging = path + ".XXXXXX";
  UniqueFd fd(::mkostemp(staging.data(), O_CLOEXEC));  // with mode 0600
  if (!fd) return ErrnoStatus(errno, "cannot write", path);
  Status status = WriteAt(fd.get(), 0, std::as_bytes(std::span(text)), path);
  if (status.ok() && ::fsync(fd.get()) != 0) status = ErrnoStatus(errno, "cannot write", path);
  if (status.ok() && std::rename(staging.c_str(), path.c_str()) != 0) status = ErrnoStatus(errno, "cannot write", path);
  if (!status.ok()) {
    ::unlink(staging.c_str());
    return status;
  }
  return SyncDirectory(ParentDirectory(path));
}

StatusOr<TokenFile> ReadTokens(const std::string& path) {
  LWQ_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path));
  return ParseTokenFile(text, path);
}

StatusOr<MadeToken> CreateToken(const std::string& path, const NewToken& wanted, int64_t now_unix_s) {
  LWQ_RETURN_IF_ERROR(CheckTokenName(wanted.name));
  LWQ_ASSIGN_OR_RETURN(const UniqueFd lock, LockTokens(path));
  StatusOr<TokenFile> file = ReadTokens(path);
  if (absl::IsNotFound(file.status())) file = TokenFile();
  LWQ_RETURN_IF_ERROR(file.status());
  for (const TokenRecord& token : file->tokens) {
    if (token.name == wanted.name) {
      return absl::AlreadyExistsError(absl::StrCat("there is a token '", wanted.name, "' in ", path,
                                                   ": choose another name, or revoke that one first"));
    }
  }
  MadeToken made;
  LWQ_ASSIGN_OR_RETURN(made.secret, NewBearerToken());
  made.record = {.name = wanted.name,
                 .sha256 = HashOfToken(made.secret),
                 .role = wanted.role,
                 .projects = wanted.projects,
                 .created_unix_s = now_unix_s,
                 .expires_unix_s = wanted.expires_unix_s};
  file->tokens.push_back(made.record);
  LWQ_RETURN_IF_ERROR(WriteSecretFile(path, FormatTokenFile(*file)));
  return made;
}

StatusOr<TokenRecord> RevokeToken(const std::string& path, std::string_view name_or_id) {
  LWQ_ASSIGN_OR_RETURN(const UniqueFd lock, LockTokens(path));
  LWQ_ASSIGN_OR_RETURN(TokenFile file, ReadTokens(path));
  const auto found = std::find_if(file.tokens.begin(), file.tokens.end(), [&](const TokenRecord& token) {
    return token.name == name_or_id || token.id() == name_or_id;
  });
  if (found == file.tokens.end()) {
    return absl::NotFoundError(absl::StrCat("there is no token '", RedactTokens(OneLine(name_or_id, 64)), "' in ", path,
                                            ": lwq token list shows their names"));
  }
  TokenRecord revoked = *found;
  file.tokens.erase(found);
  LWQ_RETURN_IF_ERROR(WriteSecretFile(path, FormatTokenFile(file)));
  return revoked;
}

}  // namespace lwq::client
