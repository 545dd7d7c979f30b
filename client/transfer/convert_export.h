// SPDX-License-Identifier: Apache-2.0
// Turns an exported model in a folder into another format, in a folder of its own (common/export/convert.h says which
// ways there are). Everything else of the model goes along: tokenizer, licence, chat templates, cards, what tells of
// its making. In its model card the lines on loading become those of the new format.
//
// The new folder appears whole or not at all. Thread-safety: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/base/console.h"
#include "client/base/interrupt.h"
#include "common/json/json.h"
#include "common/recipe/choices.h"
#include "common/status/status.h"

namespace lwq::client {

struct ConvertedExport {
  ExportFormat from = ExportFormat::kNone;
  int64_t size_bytes = 0;
  Json metrics = Json::object();   // WriteExport's: what was rounded, stored bits
  std::vector<std::string> notes;  // what was left behind although it might belong to the model
};

// INVALID_ARGUMENT and FAILED_PRECONDITION name the folder and what to do; DATA_LOSS for damaged files; CANCELLED.
StatusOr<ConvertedExport> ConvertExportFolder(const std::string& directory, ExportFormat format,
                                              const std::string& output, Console* console, Interrupt* interrupt);

}  // namespace lwq::client
