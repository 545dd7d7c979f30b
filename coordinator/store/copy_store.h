// SPDX-License-Identifier: Apache-2.0
// All records of one store into another that has none.
#pragma once

#include <cstddef>

#include "common/status/status.h"
#include "coordinator/store/store.h"

namespace lwq::coordinator {

struct CopiedCounts {
  size_t runs = 0;
  size_t sweeps = 0;
  size_t tasks = 0;
  size_t results = 0;  // of actions
  size_t workers = 0;
  size_t log_lines = 0;
};

// In one commit, in a term that is taken of `to`; `from` is read alone. FAILED_PRECONDITION: `to` has records, `from`
// has none. Nobody else may lead at either. Errors of the stores leave `to` as it was.
StatusOr<CopiedCounts> CopyStore(Store& from, Store& to);

}  // namespace lwq::coordinator
