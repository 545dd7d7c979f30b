// SPDX-License-Identifier: Apache-2.0
#include "common/access/token_file.h"

#include <algorithm>
#include <set>

#include "absl/time/time.h"
#include "common/access/bearer_token.h"
#include "common/json/json.h"
#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr int64_t kVersion = 1;
constexpr size_t kMaxNameBytes = 64;

StatusOr<int64_t> ParseUtc(const std::string& text, std::string_view what) {
  absl::Time time;
  std::string problem;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &problem)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " '", OneLine(text, 40), "' is no time: write it as 2027-02-28T10:00:00Z"));
  }
  return absl::ToUnixSeconds(time);
}

StatusOr<ProjectScope> ParseProjects(const Json& token, std::string_view what) {
  const auto projects = token.find("projects");
  if (projects != token.end() && projects->is_string() && *projects == "*") return ProjectScope::All();
  if (projects == token.end() || !projects->is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ".projects must be a list of names, or \"*\" for all"));
  }
  std::set<std::string> names;
  for (const Json& name : *projects) {
    if (!name.is_string()) return absl::InvalidArgumentError(absl::StrCat(what, ".projects must be a list of names"));
    LWQ_RETURN_IF_ERROR(Annotate(CheckProjectName(name.get<std::string>()), what));
    names.insert(name.get<std::string>());
  }
  return ProjectScope::Of(std::move(names));
}

Status CheckKeys(const Json& token, std::string_view what) {
  static const std::set<std::string> kKeys = {"name", "sha256", "role", "projects", "created", "expires"};
  for (const auto& [key, value] : token.items()) {
    if (!kKeys.contains(key)) {
      return absl::InvalidArgumentError(absl::StrCat(what, " has the unknown key '", OneLine(key, 40), "'"));
    }
  }
  return absl::OkStatus();
}

StatusOr<TokenRecord> ParseToken(const Json& token, std::string_view what) {
  if (!token.is_object()) return absl::InvalidArgumentError(absl::StrCat(what, " must be an object"));
  LWQ_RETURN_IF_ERROR(CheckKeys(token, what));
  TokenRecord record;
  LWQ_ASSIGN_OR_RETURN(record.name, JsonString(token, "name", what));
  LWQ_RETURN_IF_ERROR(Annotate(CheckTokenName(record.name), what));
  LWQ_ASSIGN_OR_RETURN(const std::string sha256, JsonString(token, "sha256", what));
  const StatusOr<Digest> digest = Digest::FromHex(sha256);
  if (!digest.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ".sha256 must be 64 lowercase hexadecimal digits"));
  }
  record.sha256 = *digest;
  LWQ_ASSIGN_OR_RETURN(const std::string role, JsonString(token, "role", what));
  StatusOr<Role> parsed = ParseRole(role);
  LWQ_RETURN_IF_ERROR(Annotate(parsed.status(), what));
  record.role = *parsed;
  LWQ_ASSIGN_OR_RETURN(record.projects, ParseProjects(token, what));
  LWQ_ASSIGN_OR_RETURN(const std::string created, JsonString(token, "created", what));
  LWQ_ASSIGN_OR_RETURN(record.created_unix_s, ParseUtc(created, absl::StrCat(what, ".created")));
  if (token.contains("expires")) {
    LWQ_ASSIGN_OR_RETURN(const std::string expires, JsonString(token, "expires", what));
    LWQ_ASSIGN_OR_RETURN(record.expires_unix_s, ParseUtc(expires, absl::StrCat(what, ".expires")));
  }
  return record;
}

}  // namespace

StatusOr<TokenFile> ParseTokenFile(std::string_view text, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const Json json, ParseJson(text, what, DuplicateKeys::kRefuse));
  LWQ_ASSIGN_OR_RETURN(const int64_t version, JsonInt(json, "version", what));
  if (version != kVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has version ", version, ", this program reads version ", kVersion));
  }
  const auto tokens = json.find("tokens");
  if (tokens == json.end() || !tokens->is_array() || json.size() != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " must have \"version\" and the list \"tokens\", nothing else"));
  }
  TokenFile file;
  std::set<std::string> names;
  std::set<Digest> hashes;
  for (size_t i = 0; i < tokens->size(); ++i) {
    const std::string which = absl::StrCat(what, ": tokens[", i, "]");
    LWQ_ASSIGN_OR_RETURN(TokenRecord token, ParseToken((*tokens)[i], which));
    if (!names.insert(token.name).second || !hashes.insert(token.sha256).second) {
      return absl::InvalidArgumentError(absl::StrCat(which, " has the name or the hash of one before it"));
    }
    file.tokens.push_back(std::move(token));
  }
  return file;
}

std::string FormatTokenFile(const TokenFile& file) {
  Json tokens = Json::array();
  for (const TokenRecord& token : file.tokens) {
    Json entry = {{"name", token.name},
                  {"sha256", token.sha256.hex()},
                  {"role", std::string(RoleName(token.role))},
                  {"created", UtcText(token.created_unix_s)}};
    entry["projects"] = token.projects.all() ? Json("*") : Json(token.projects.names());
    if (token.expires_unix_s.has_value()) entry["expires"] = UtcText(*token.expires_unix_s);
    tokens.push_back(std::move(entry));
  }
  return Json{{"version", kVersion}, {"tokens", std::move(tokens)}}.dump(2) + "\n";
}

Status CheckTokenName(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (!name.empty() && name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), fits) &&
      !IsBearerToken(name)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("token name '", RedactTokens(OneLine(name, 40)), "' must be 1 to ",
                                                 kMaxNameBytes, " letters, digits, '.', '_' or '-'"));
}

const TokenRecord* FindToken(const TokenFile& file, std::string_view token) {
  const Digest hash = HashOfToken(token);
  const TokenRecord* found = nullptr;
  for (const TokenRecord& record : file.tokens) {
    const bool equal = EqualInConstantTime(record.sha256, hash);
    found = equal ? &record : found;
  }
  return found;
}

bool HasExpired(const TokenRecord& token, int64_t now_unix_s) {
  return token.expires_unix_s.has_value() && now_unix_s >= *token.expires_unix_s;
}

std::string UtcText(int64_t unix_s) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(unix_s), absl::UTCTimeZone());
}

}  // namespace lwq
