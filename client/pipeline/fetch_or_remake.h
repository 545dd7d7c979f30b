// SPDX-License-Identifier: Apache-2.0
// Fetches an export, also one whose bytes the object store has lost.
#pragma once

#include <string>

#include "client/base/console.h"
#include "client/rpc/run_api.h"
#include "client/transfer/fetch_export.h"
#include "common/object_store/object_store.h"
#include "common/status/status.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::client {

// FetchExport; where parts of the export turn out to be gone or damaged, the damaged ones are removed, the coordinator
// has the export made again (RemakeArtifact), which is waited for and shown, and it is fetched once more. `output` is a
// place of export_place.h. Errors as OpenExportPlace, FetchExport and RunApi; FAILED_PRECONDITION where it could not be
// made again.
StatusOr<FetchedExport> FetchOrRemake(RunApi* api, const lwqat::v1::Run& run, ObjectStore* objects,
                                      const std::string& output, Console* console);

}  // namespace lwq::client
