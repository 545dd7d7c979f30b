// SPDX-License-Identifier: Apache-2.0
// Numbers and text as lwq prints them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lwq::client {

// "812 B", "8.1 MiB", "1.25 GiB".
std::string FormatBytes(int64_t bytes);
// "0.3 s", "12.4 s", "1:05", "1:02:03".
std::string FormatSeconds(double seconds);
// `digits` significant digits, no trailing zeros: "2.34", "1e-05".
std::string FormatSignificant(double value, int digits);
// `decimals` after the point: "2.342".
std::string FormatFixed(double value, int decimals);

// Columns of a UTF-8 text on a terminal, one per code point (lwq prints no wide or combining characters of its own).
int DisplayWidth(std::string_view text);
// The first `width` columns.
std::string CutToWidth(std::string_view text, int width);
std::string PadRight(std::string_view text, int width);
std::string PadLeft(std::string_view text, int width);

// "[#####.....]" with `width` cells; `share` is clamped to [0, 1].
std::string ProgressBar(double share, int width, bool utf8);

// Whether the wire can carry `text`: well-formed UTF-8, as Unicode has it (no overlong forms, no surrogates).
bool IsUtf8(std::string_view text);

// The whole text as common/text/one_line.h makes it, without spaces at its end: what a server or file says cannot break
// a line or move the cursor.
std::string OneLine(std::string_view text);

}  // namespace lwq::client
