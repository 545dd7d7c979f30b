// SPDX-License-Identifier: Apache-2.0
// How an exported directory is loaded: for each consumer the lines to type and what they give, for others what becomes
// of the export there.
//
// What a program makes of an export is its row of consumers.h; what was not tried is not here. Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "common/export_format/export_format.h"
#include "common/recipe/choices.h"

namespace lwq {

struct LoadingAdvice {
  std::string consumer;                // with its version: "GPTQModel 7.7.0"
  std::vector<std::string> code = {};  // lines to type; empty where it does not load the export, or loads it wrong
  std::string language = {};           // of `code`: "python", "sh"
  std::string outcome = {};            // a sentence or two
};

// Loading lines name the export's directory as kExportedDirectory. Requires a format that makes files.
inline constexpr char kExportedDirectory[] = "DIR";
std::vector<LoadingAdvice> HowToLoad(ExportFormat format, const ServedModel& model);

}  // namespace lwq
