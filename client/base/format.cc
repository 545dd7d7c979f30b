// SPDX-License-Identifier: Apache-2.0
#include "client/base/format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_format.h"
#include "common/status/status.h"
#include "common/text/one_line.h"
#include "common/text/utf8.h"

namespace lwq::client {
namespace {

bool ContinuesCodePoint(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

}  // namespace

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes) / 1024.0;
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return absl::StrFormat("%.*f %s", decimals, value, kUnits[unit]);
}

std::string FormatSeconds(double seconds) {
  if (!(seconds >= 0)) return "?";
  if (seconds < 59.95) return absl::StrFormat("%.1f s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(std::min(seconds, 1e15)));
  if (whole < 3600) return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
  return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string FormatSignificant(double value, int digits) {
  return absl::StrFormat("%.*g", digits, value);
}

std::string FormatFixed(double value, int decimals) {
  return absl::StrFormat("%.*f", decimals, value);
}

int DisplayWidth(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return !ContinuesCodePoint(c); }));
}

std::string CutToWidth(std::string_view text, int width) {
  int columns = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!ContinuesCodePoint(text[i]) && columns++ == width) return std::string(text.substr(0, i));
  }
  return std::string(text);
}

std::string PadRight(std::string_view text, int width) {
  return std::string(text) + std::string(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ');
}

std::string PadLeft(std::string_view text, int width) {
  return std::string(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ') + std::string(text);
}

std::string ProgressBar(double share, int width, bool utf8) {
  const double clamped = share > 0 ? std::min(share, 1.0) : 0.0;
  const int filled = static_cast<int>(clamped * width + 1e-9);
  std::string bar = "[";
  for (int i = 0; i < width; ++i) bar += i < filled ? (utf8 ? "█" : "#") : (utf8 ? "·" : ".");
  return bar + "]";
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = DecodeUtf8Char(text);
    if (!c.valid) return false;
    text.remove_prefix(c.size_bytes);
  }
  return true;
}

std::string OneLine(std::string_view text) {
  std::string line = lwq::OneLine(text, std::string::npos);
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace lwq::client
