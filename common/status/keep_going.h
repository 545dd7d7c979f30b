// SPDX-License-Identifier: Apache-2.0
// A question that long work asks now and then: an error means that it must stop, and why.
//
// Views of the caller's function, valid during the call they are passed to.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "common/status/status.h"

namespace lwq {

using KeepGoing = absl::FunctionRef<Status()>;

inline Status AlwaysKeepGoing() {
  return absl::OkStatus();
}

// Asks at every 4096th call: for loops whose turns are short.
class PacedKeepGoing {
 public:
  explicit PacedKeepGoing(KeepGoing keep_going) : keep_going_(keep_going) {}
  Status Ask() { return (++calls_ % kPace == 0) ? keep_going_() : absl::OkStatus(); }

 private:
  static constexpr int64_t kPace = 4096;
  KeepGoing keep_going_;
  int64_t calls_ = 0;
};

}  // namespace lwq
