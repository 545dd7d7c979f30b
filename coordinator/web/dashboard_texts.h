// SPDX-License-Identifier: Apache-2.0
// The dashboard's files, as scripts/dashboard made them.
#pragma once

#include <string_view>

namespace lwq::coordinator {

extern const std::string_view kIndexHtml;
extern const std::string_view kAppJs;
extern const std::string_view kAppCss;
extern const std::string_view kLicencesText;

}  // namespace lwq::coordinator
