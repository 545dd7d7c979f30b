// SPDX-License-Identifier: Apache-2.0
#include "common/http/percent.h"

#include <algorithm>
#include <utility>

namespace lwq {
namespace {

bool IsUnreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

std::string Encode(std::string_view text, bool keep_slashes) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (IsUnreserved(c) || (keep_slashes && c == '/')) {
      encoded.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded.push_back('%');
    encoded.push_back(kHex[byte >> 4]);
    encoded.push_back(kHex[byte & 15]);
  }
  return encoded;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string PercentEncode(std::string_view text) {
  return Encode(text, false);
}

std::string PercentEncodePath(std::string_view path) {
  return Encode(path, true);
}

StatusOr<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
    if (low < 0) return absl::InvalidArgumentError(absl::StrCat("'", text, "' has a '%' without two hex digits"));
    decoded.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return decoded;
}

std::string EncodeQuery(const std::map<std::string, std::string>& query) {
  std::map<std::string, std::string> encoded;
  for (const auto& [name, value] : query) encoded.emplace(PercentEncode(name), PercentEncode(value));
  std::string text;
  for (const auto& [name, value] : encoded) absl::StrAppend(&text, text.empty() ? "" : "&", name, "=", value);
  return text;
}

StatusOr<std::map<std::string, std::string>> ParseQuery(std::string_view text) {
  std::map<std::string, std::string> query;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('&', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat("option '", part, "' has no value; write NAME=VALUE"));
    }
    LWQ_ASSIGN_OR_RETURN(std::string name, PercentDecode(part.substr(0, equals)));
    LWQ_ASSIGN_OR_RETURN(std::string value, PercentDecode(part.substr(equals + 1)));
    const auto [at, added] = query.emplace(std::move(name), std::move(value));
    if (!added) return absl::InvalidArgumentError(absl::StrCat("option '", at->first, "' is given twice"));
    begin = end + 1;
  }
  return query;
}

}  // namespace lwq
