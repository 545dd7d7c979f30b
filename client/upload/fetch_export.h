// Brings a run's exported model from the object store to a directory.
#pragma once

#include <string>

#include "client/app/console.h"
#include "common/object_store/object_store.h"
#include "common/status/status.h"
#include "lwqat/v1/run.pb.h"

namespace lwq {

struct FetchedExport {
  std::string directory;
  int64_t files = 0;
  int64_t size_bytes = 0;
};

// Each file appears whole or not at all; files that are there are replaced. FAILED_PRECONDITION while there is no
// export, INVALID_ARGUMENT when `directory` cannot be one, DATA_LOSS when the store's bytes are damaged.
StatusOr<FetchedExport> FetchExport(const lwqat::v1::Run& run, ObjectStore* store, const std::string& directory,
                                    Console* console);

// A folder's name for a run's export: letters, digits, '.', '_' and '-' of the run's name, all else as '-'.
std::string FolderNameOf(const std::string& run_name);

}  // namespace lwq
