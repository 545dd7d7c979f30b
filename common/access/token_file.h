// SPDX-License-Identifier: Apache-2.0
// The file of tokens that the coordinator reads and lwq token edits: JSON, one object a token, hashes and no secret.
//
//   {"version": 1, "tokens": [{"name": "ci", "sha256": "…64 hex…", "role": "submitter", "projects": ["a", "b"],
//                              "created": "2026-11-30T10:00:00Z", "expires": "2027-02-28T10:00:00Z"}]}
//
// "projects" is a list of names or "*", all; "expires" may be left out: never. Unknown keys are refused: a misspelt
// "expires" must not make a token that never ends. Pure; thread-safe. Not here: files (client/token,
// coordinator/service).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/access/project_scope.h"
#include "common/access/role.h"
#include "common/digest/digest.h"
#include "common/status/status.h"

namespace lwq {

struct TokenRecord {
  std::string name;  // for people, logs and the audit log; unique in the file
  Digest sha256;
  Role role = Role::kViewer;
  ProjectScope projects;
  int64_t created_unix_s = 0;
  std::optional<int64_t> expires_unix_s;  // the first second in which it is not valid; none: never

  // What it is called where its name might be another's by now: the first digits of the hash.
  std::string id() const { return sha256.short_hex(); }
  friend bool operator==(const TokenRecord&, const TokenRecord&) = default;
};

struct TokenFile {
  std::vector<TokenRecord> tokens;
  friend bool operator==(const TokenFile&, const TokenFile&) = default;
};

// INVALID_ARGUMENT with `what` (the file's name) and which token is wrong in which way.
StatusOr<TokenFile> ParseTokenFile(std::string_view text, std::string_view what);
// What ParseTokenFile reads as the same.
std::string FormatTokenFile(const TokenFile& file);

// INVALID_ARGUMENT unless `name` is 1 to 64 letters, digits, '.', '_', '-'.
Status CheckTokenName(std::string_view name);

// The token of the file whose hash the text has, expired or not; null: none has. Every token of the file is compared,
// each in constant time, so that the time tells nothing about the file.
const TokenRecord* FindToken(const TokenFile& file, std::string_view token);

bool HasExpired(const TokenRecord& token, int64_t now_unix_s);

// "2026-11-30T10:00:00Z"
std::string UtcText(int64_t unix_s);

}  // namespace lwq
