// SPDX-License-Identifier: Apache-2.0
// An export's place on this disk; export_place.h says what it holds to.
#pragma once

#include <memory>
#include <string>

#include "client/transfer/export_place.h"
#include "common/status/status.h"

namespace lwq::client {

// INVALID_ARGUMENT where a file has that name.
StatusOr<std::unique_ptr<ExportPlace>> OpenExportFolder(const std::string& directory);

// Writes `text` to that path; a reader sees the old file or the new one. The folder is made if absent. What is no
// regular file (a pipe, a device, a link) is written to, not replaced.
Status WriteReport(const std::string& path, const std::string& text);

}  // namespace lwq::client
