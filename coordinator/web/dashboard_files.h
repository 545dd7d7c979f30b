// SPDX-License-Identifier: Apache-2.0
// The dashboard as it is sent to browsers. Values; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lwq::coordinator {

struct DashboardFile {
  std::string_view path;  // "app.js"; "" is the page
  std::string_view content_type;
  std::string_view text;
  std::string gzip;  // the text compressed, as all browsers take it
  std::string etag;  // with its quotes
};

std::vector<DashboardFile> MakeDashboardFiles();

}  // namespace lwq::coordinator
