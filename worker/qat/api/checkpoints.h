// SPDX-License-Identifier: Apache-2.0
// Where a long computation leaves its state now and then, and finds what an earlier attempt at it left.
//
// The computation calls AtStep between two of its steps, where its whole state is what SaveState writes; the other side
// decides when, keeps what was saved, and says so in the log (worker/daemon/lease_checkpoints.h). What a computation
// returns does not depend on whether, when and how often it was saved, stopped and gone on with: to the last bit.
//
// Called from the compute thread. A null Checkpoints is none.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "common/artifact/checkpoint.h"
#include "common/status/status.h"

namespace lwq::qat {

class Checkpoints {
 public:
  using SaveState = absl::FunctionRef<Status(CheckpointWriter& writer)>;

  virtual ~Checkpoints() = default;
  // What an earlier attempt at the very same computation left; nothing: begin at the beginning. An error ends the
  // attempt: the store does not answer now.
  virtual StatusOr<std::optional<CheckpointReader>> Earlier() = 0;
  // What Earlier gave was read whole, and the computation goes on from there.
  virtual void GoesOnFrom(const CheckpointStamp& stamp) = 0;
  // It cannot be used, and the computation begins at the beginning.
  virtual void Refused(const Status& reason) = 0;
  // `step` of `steps` are done, and there is more to do. Saves the state if it is time to. CANCELLED: the computation
  // is to end with this status. What goes wrong with saving is no error.
  virtual Status AtStep(int64_t step, int64_t steps, SaveState save) = 0;
};

// Whether what is wrong with a checkpoint is the checkpoint's fault: then it is as if there were none.
inline bool IsUnusableCheckpoint(const Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status) || absl::IsFailedPrecondition(status) ||
         absl::IsInvalidArgument(status);
}

}  // namespace lwq::qat
