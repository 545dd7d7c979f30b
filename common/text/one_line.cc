// SPDX-License-Identifier: Apache-2.0
#include "common/text/one_line.h"

#include <utility>

#include "common/text/utf8.h"

namespace lwq {
namespace {

constexpr std::string_view kEllipsis = "\xE2\x80\xA6";  // U+2026

bool BreaksLine(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
}

void DropLastCharacter(std::string& line) {
  while ((static_cast<unsigned char>(line.back()) & 0xC0) == 0x80) line.pop_back();
  line.pop_back();
}

std::string WithEllipsis(std::string line, size_t max_bytes) {
  if (max_bytes < kEllipsis.size()) return line;
  while (line.size() > max_bytes - kEllipsis.size()) DropLastCharacter(line);
  return line.append(kEllipsis);
}

}  // namespace

std::string OneLine(std::string_view text, size_t max_bytes) {
  std::string line;
  while (!text.empty()) {
    const Utf8Char c = DecodeUtf8Char(text);
    std::string_view piece = c.valid ? text.substr(0, c.size_bytes) : kReplacementCharacter;
    if (c.valid && BreaksLine(c.code_point)) piece = " ";
    if (line.size() + piece.size() > max_bytes) return WithEllipsis(std::move(line), max_bytes);
    line.append(piece);
    text.remove_prefix(c.size_bytes);
  }
  return line;
}

}  // namespace lwq
