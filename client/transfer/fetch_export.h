// SPDX-License-Identifier: Apache-2.0
// Brings a run's results to a folder or a bucket (export_place.h): the exported model from the object store, and beside
// it what is known about its making: its model card README.md (reporting/model_card.h), layer_statistics.json, and
// sensitivity_results_{model}.json where the run measured it. The card of the model that was quantized, which an export
// takes along, is written as BASE_MODEL_README.md.
#pragma once

#include <string>
#include <vector>

#include "client/base/console.h"
#include "client/transfer/export_place.h"
#include "common/object_store/object_store.h"
#include "common/status/status.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::client {

struct FetchedExport {
  std::string directory;  // the place, as the user named it
  int64_t files = 0;      // of the model
  int64_t size_bytes = 0;
  std::vector<std::string> reports;  // names of the files beside it that tell of it
};

// Whether FetchExport has anything to bring: an export, or a run that succeeded and quantized or measured without one.
bool HasResults(const lwqat::v1::Run& run);

// FAILED_PRECONDITION while there is nothing to bring, DATA_LOSS when the store's bytes are damaged; and the place's.
StatusOr<FetchedExport> FetchExport(const lwqat::v1::Run& run, ObjectStore* store, ExportPlace* place,
                                    Console* console);

// A folder's name for a run's export: letters, digits, '.', '_', '-' and whatever is not ASCII of the run's name, all
// else as '-'. Never hidden, a parent or what a program takes for a flag.
std::string FolderNameOf(const std::string& run_name);

}  // namespace lwq::client
