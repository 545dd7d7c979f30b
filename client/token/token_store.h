// SPDX-License-Identifier: Apache-2.0
// The file of tokens on disk: read, and changed so that whoever reads it at any moment, the coordinator too, finds the
// former version or the new one, whole. Files are made with mode 0600 and stay so.
//
// Two changes at once are put one after the other by a lock on FILE.lock. Thread-safety: free functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/access/token_file.h"
#include "common/status/status.h"

namespace lwq::client {

struct NewToken {
  std::string name;
  Role role = Role::kViewer;
  ProjectScope projects;
  std::optional<int64_t> expires_unix_s = std::nullopt;
};

struct MadeToken {
  TokenRecord record;
  std::string secret;  // what is shown once and kept nowhere
};

// NOT_FOUND: there is no such file. Errors of ParseTokenFile.
StatusOr<TokenFile> ReadTokens(const std::string& path);
// Makes the file where there is none. ALREADY_EXISTS: the name is taken. INVALID_ARGUMENT: it can be no name.
StatusOr<MadeToken> CreateToken(const std::string& path, const NewToken& wanted, int64_t now_unix_s);
// By name or id. NOT_FOUND.
StatusOr<TokenRecord> RevokeToken(const std::string& path, std::string_view name_or_id);

// Replaces the file with the text, mode 0600, on the disk when this returns.
Status WriteSecretFile(const std::string& path, std::string_view text);

}  // namespace lwq::client
