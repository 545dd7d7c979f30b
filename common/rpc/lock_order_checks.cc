// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/lock_order_checks.h"

#include "absl/synchronization/mutex.h"

namespace lwq {

void SkipLockOrderChecks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

}  // namespace lwq
