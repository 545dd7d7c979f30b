// SPDX-License-Identifier: Apache-2.0
// The files that every page carries within itself, as the build found them: the style, the script that draws, and the
// libraries it draws with (third_party/vega). cmake/EmbedText.cmake makes the definitions.
#pragma once

#include <string_view>

namespace lwq::reporting {

extern const std::string_view kPageStyle;
extern const std::string_view kPageScript;
extern const std::string_view kVegaLicences;
extern const std::string_view kVega;
extern const std::string_view kVegaLite;
extern const std::string_view kVegaInterpreter;

}  // namespace lwq::reporting
