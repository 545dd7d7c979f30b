// SPDX-License-Identifier: Apache-2.0
#include "worker/session/failure.h"

#include "common/status/out_of_storage.h"

namespace lwq::worker {

FailureCause CauseOf(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
      return FailureCause::kReleased;
    case absl::StatusCode::kResourceExhausted:
      return IsOutOfStorage(status) ? FailureCause::kInfrastructure : FailureCause::kMemory;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return FailureCause::kInfrastructure;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kDataLoss:
      return FailureCause::kInputLost;
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
      return FailureCause::kDevice;
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kUnauthenticated:
    default:
      return FailureCause::kTask;
  }
}

}  // namespace lwq::worker
