// SPDX-License-Identifier: Apache-2.0
// Brings a run's results to a directory: the exported model from the object store, and beside it what is known about
// its making: layer_statistics.json, and sensitivity_results_{model}.json where the run measured it.
#pragma once

#include <string>
#include <vector>

#include "client/base/console.h"
#include "common/object_store/object_store.h"
#include "common/status/status.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::client {

struct FetchedExport {
  std::string directory;
  int64_t files = 0;  // of the model
  int64_t size_bytes = 0;
  std::vector<std::string> reports;  // names of the JSON files beside it
};

// Whether FetchExport has anything to bring: an export, or a run that succeeded and quantized or measured without one.
bool HasResults(const lwqat::v1::Run& run);

// Each file appears whole or not at all; files that are there are replaced. Where an earlier call filled the directory
// (layer_statistics.json is in it), its weights, quantize_config.json and scores that this export lacks are removed,
// nothing else. FAILED_PRECONDITION while there is nothing
// to bring, INVALID_ARGUMENT when `directory` cannot be one, DATA_LOSS when the store's bytes are damaged.
StatusOr<FetchedExport> FetchExport(const lwqat::v1::Run& run, ObjectStore* store, const std::string& directory,
                                    Console* console);

// Writes `text` under that name; a reader sees the old file or the new one. The folder is made if absent. What is
// no regular file (a pipe, a device, a link) is written to, not replaced.
Status WriteReport(const std::string& path, const std::string& text);

// A folder's name for a run's export: letters, digits, '.', '_', '-' and whatever is not ASCII of the run's name, all
// else as '-'. Never hidden, a parent or what a program takes for a flag.
std::string FolderNameOf(const std::string& run_name);

}  // namespace lwq::client
