// SPDX-License-Identifier: Apache-2.0
// How computations beside the loop see its state: a look at a time, copying out what they go on with.
#pragma once

#include "absl/functional/function_ref.h"
#include "common/status/status.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

class StateReader {
 public:
  virtual ~StateReader() = default;
  // Calls `look` once with the state as it is now. Nothing else happens meanwhile, so a look is to be short; between
  // two looks anything may change. UNAVAILABLE: there is no state any more, and `look` was not called.
  virtual Status Look(absl::FunctionRef<void(const State& state)> look) = 0;
};

}  // namespace lwq::coordinator
